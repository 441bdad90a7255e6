/**
 * `hearth ps`: the workers that are written down for the state folder, and whether each still runs. Reads
 * the registry and the process table only, so it also answers when no server does.
 *
 * Exits  0 · 1 when the registry cannot be read.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { systemClock } from '../core/clock.ts';
import { type Owner, OwnerLock } from '../orchestrator/registry/owner-lock.ts';
import { listProcesses } from '../orchestrator/registry/processes.ts';
import { readRegistry, type WorkerEntry } from '../orchestrator/registry/registry-file.ts';
import { type CliContext, CliError } from './context.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';
import { aborted, watchStopSignals } from './stop-signals.ts';
import { table } from './table.ts';

const WATCH_MS = 1_000;

interface Row {
  readonly id: string;
  readonly model: string;
  readonly pid: number | null;
  /** `orphan`: its server is gone; the next one ends it. `gone`: the entry is all that is left. */
  readonly state: 'running' | 'starting' | 'orphan' | 'gone';
  readonly age_s: number;
  readonly rss_bytes: number | null;
}

export async function ps(
  flags: ConfigFlags & { readonly json?: boolean; readonly watch?: boolean },
  context: CliContext,
): Promise<number> {
  const { stateDir } = readConfig(flags, context).config.paths;
  if (!flags.watch) {
    process.stdout.write(render(stateDir, flags.json === true));
    return 0;
  }
  using signals = watchStopSignals(process, systemClock);
  while (!signals.drain.aborted) {
    const text = render(stateDir, flags.json === true);
    // From the top of an empty screen, on a terminal; else one after the other.
    process.stdout.write(process.stdout.isTTY ? `\x1b[H\x1b[2J${text}` : text);
    await Promise.race([sleep(WATCH_MS), aborted(signals.drain)]);
  }
  return 0;
}

function render(stateDir: string, isJson: boolean): string {
  const read = readRegistry(stateDir);
  if (read.kind === 'damaged') {
    throw new CliError(
      `the registry in ${stateDir} is damaged: ${read.reason}. The next "hearth serve" sets it aside.`,
    );
  }
  const owner = OwnerLock.holder(stateDir);
  const rows = toRows(read.kind === 'good' ? read.entries : [], owner);
  if (isJson) return `${JSON.stringify({ server: owner?.pid ?? null, workers: rows })}\n`;
  const head = owner === undefined ? 'no server runs' : `server: pid ${owner.pid}`;
  if (rows.length === 0) return `${head}, no workers\n`;
  const cells = rows.map(({ id, model, pid, state, age_s, rss_bytes }) => [
    id,
    model,
    pid === null ? '' : String(pid),
    state,
    `${age_s} s`,
    rss_bytes === null ? '' : `${Math.round(rss_bytes / 1e6)} MB`,
  ]);
  return `${head}\n${table([['ID', 'MODEL', 'PID', 'STATE', 'AGE', 'MEMORY'], ...cells])}`;
}

function toRows(entries: readonly WorkerEntry[], owner: Owner | undefined): readonly Row[] {
  const running = listProcesses();
  return entries.map(({ id, model, pid, startTime, owner: token, spawnedMs }) => {
    const found = pid === undefined ? undefined : running.get(pid);
    const isThere = found !== undefined && found.startTime === startTime;
    const isOwned = token === owner?.token;
    const alive = isOwned ? 'running' : 'orphan';
    return {
      id,
      model,
      pid: pid ?? null,
      state: isThere ? alive : pid === undefined && isOwned ? 'starting' : 'gone',
      age_s: Math.round((Date.now() - spawnedMs) / 1000),
      rss_bytes: isThere ? found.rssBytes : null,
    };
  });
}
