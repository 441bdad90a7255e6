/**
 * What an experiment is, and how one is run. Each says what its fault did: one whose fault did not take
 * effect proves nothing and fails.
 */
import { checkHistory, type Rules } from './history.ts';
import type { World } from './world.ts';

export interface Experiment {
  readonly number: number;
  readonly name: string;
  readonly rules: Rules;
  /** Before the server is started. */
  readonly prepare?: (world: World) => void;
  /** Arguments of the server. */
  readonly args?: (world: World) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `run` starts the server itself, once the folder is as it has to be. */
  readonly startsItself?: boolean;
  /** Why it cannot be run on this machine; undefined where it can. */
  readonly cannotRun?: () => string | undefined;
  readonly run: Run;
  /** All that `run` chooses from, one after the other; takes minutes. */
  readonly whole?: Run;
}

/** Returns how often the fault took effect, and what was wrong beyond the history. */
type Run = (
  world: World,
) => Promise<{ readonly faults: number; readonly problems?: readonly string[] }>;

export const WORKER_DIED = ['worker_crashed'];
export const RESTARTS = /^hearth_worker_restarts_total\{.*\} (\d+)/gm;

/** Everything that was wrong, in words; empty when all held. */
export async function runExperiment(
  experiment: Experiment,
  world: World,
  isWhole = false,
): Promise<readonly string[]> {
  const { run, whole = run } = experiment;
  const problems: string[] = [];
  try {
    experiment.prepare?.(world);
    if (experiment.startsItself !== true) {
      await world.start(experiment.args?.(world), experiment.env);
    }
    const { faults, problems: found = [] } = await (isWhole ? whole : run)(world);
    if (faults === 0) problems.push('the fault took no effect');
    problems.push(...found, ...checkHistory(world.outcomes, experiment.rules));
  } catch (error) {
    problems.push(String(error));
  }
  return [...problems, ...(await world.end())];
}

export function killWorker(world: World): number {
  const [pid] = world.workerPids();
  if (pid === undefined) return 0;
  process.kill(pid, 'SIGKILL');
  return 1;
}

/** After a fault: it answers, counts what it did, and holds nothing of what is over. */
export async function atWork(world: World): Promise<readonly string[]> {
  const problems: string[] = [];
  const { end, code } = await world.ask(20);
  if (end !== 'answered') problems.push(`afterwards a request was ${end} with ${code}`);
  const waiting = await world.metric(/^hearth_queue_depth\{.*\} (\d+)/gm);
  if (waiting !== 0) problems.push(`${waiting} requests are counted as waiting and there are none`);
  const busy = await world.metric(/^hearth_slots\{.*state="busy"\} (\d+)/gm);
  if (busy !== 0) problems.push(`${busy} slots are busy with nothing`);
  return problems;
}
