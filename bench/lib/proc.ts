/**
 * What processes cost, from /proc: CPU time and memory of a process and of the machine.
 *
 * Units   ms of CPU time (the kernel counts in ticks of 10 ms), bytes.
 * Errors  a process that is gone costs 0 and has no memory: it is about to be counted no more.
 * Source  proc(5). Linux only; the benches say so when they start elsewhere.
 */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';

const TICK_MS = 10;

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
  readonly command: string;
}

/** The process and everything it started, itself first. */
export function processTree(pid: number): Process[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
  const tree = all.filter((one) => one.pid === pid);
  for (const one of tree) tree.push(...all.filter((other) => other.parent === one.pid));
  return tree;
}

/** A worker of Hearth: its arguments begin with `worker`, the orchestrator's hold `serve`. */
export function isWorker({ command }: Process): boolean {
  return /\bworker --run-id=/.test(command);
}

export function cpuMsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (readProcess(pid)?.cpuMs ?? 0), 0);
}

/** Of the programs that this process started and that have ended. */
export function endedChildrenMs(): number {
  const [user, system] = statFields(readFileSync('/proc/self/stat', 'utf8')).slice(13, 15);
  return (Number(user) + Number(system)) * TICK_MS;
}

/** Time that any CPU of the machine spent on anything, of all users. */
export function machineBusyMs(): number {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!;
  const [user, nice, system, , , irq, softirq, steal] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user! + nice! + system! + irq! + softirq! + steal!) * TICK_MS;
}

export function rssBytesOf(pid: number): number | undefined {
  const status = readText(`/proc/${pid}/status`);
  const kib = status?.match(/^VmRSS:\s+(\d+) kB$/m)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

export function assertLinux(): void {
  if (process.platform === 'linux' && realpathSync('/proc/self') !== '') return;
  throw new Error(
    `The benches read /proc, which ${process.platform} does not have. Run them on Linux.`,
  );
}

function readProcess(pid: number): Process | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = statFields(stat);
  const command = (readText(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim();
  const cpuMs = (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  return { pid, parent: Number(fields[1]), cpuMs, command };
}

/** From the third field on. The name before it stands in brackets and may hold brackets too. */
function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // The process ended between the listing and the look.
  }
}
