/**
 * What the system knows of processes: since when they run and by which command line. Together they tell
 * a process from a later one that was given the same pid.
 *
 * Linux reads /proc; elsewhere one `ps` lists all processes, because a `ps` for each would take seconds.
 *
 * Errors  none: a process that is gone, is a zombie, or may not be looked at is absent from the answer.
 * Source  proc(5), field 22 of `stat`; ps(1), POSIX and BSD (`lstart`).
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessFacts {
  readonly pid: number;
  /** Opaque; the same for as long as it is the same process, also after a reboot never the same again. */
  readonly startTime: string;
  /** Arguments joined by blanks, the name it was started under first. */
  readonly command: string;
  readonly rssBytes: number;
}

export function processFacts(pid: number): ProcessFacts | undefined {
  return process.platform === 'linux' ? readProc(pid) : listAll().get(pid);
}

/** All that can be seen, by pid. */
export function listProcesses(): ReadonlyMap<number, ProcessFacts> {
  if (process.platform !== 'linux') return listAll();
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.map((pid) => readProc(Number(pid))).filter((one) => one !== undefined);
  return new Map(found.map((one) => [one.pid, one]));
}

let bootId: string | undefined;

function readProc(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold anything, brackets too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    // Ticks since boot: without the boot it would come again.
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trimEnd();
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0;
    return {
      pid,
      startTime: `${bootId} ${fields[19]}`,
      command,
      rssBytes: Number(kib) * 1024,
    };
  } catch {
    return undefined;
  }
}

const LISTING_MAX_BYTES = 64 * 2 ** 20;
const PS_ARGS = ['-A', '-ww', '-o', 'pid=,stat=,rss=,lstart=,command='];

function listAll(): ReadonlyMap<number, ProcessFacts> {
  try {
    const env = { LC_ALL: 'C' };
    const options = { encoding: 'utf8', env, maxBuffer: LISTING_MAX_BYTES } as const;
    return parsePs(execFileSync('/bin/ps', PS_ARGS, options));
  } catch {
    return new Map();
  }
}

const PS_LINE = /^\s*(\d+)\s+(\S+)\s+(\d+)\s+(\w{3}\s+\w{3}\s+\d+\s+[\d:]{8}\s+\d{4})\s+(.*)$/;

/** Of `ps` with PS_ARGS. Lines it does not know are left out. */
export function parsePs(text: string): ReadonlyMap<number, ProcessFacts> {
  const found = new Map<number, ProcessFacts>();
  for (const line of text.split('\n')) {
    const [, pid, stat, kib, startTime, command] = PS_LINE.exec(line) ?? [];
    if (pid === undefined || stat!.startsWith('Z')) continue;
    found.set(Number(pid), {
      pid: Number(pid),
      startTime: startTime!.replaceAll(/\s+/g, ' '),
      command: command!.trimEnd(),
      rssBytes: Number(kib) * 1024,
    });
  }
  return found;
}
