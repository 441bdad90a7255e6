/** Who runs and who waits at one moment, read from the scheduler for whoever asks. Decides nothing. */
import type { ModelQueueInfo, QueueInfo } from '../../core/engine.ts';
import { byPriority } from '../../core/priority.ts';
import type { Call } from '../call.ts';
import type { Scheduler, SchedulerLimits } from './scheduler.ts';

/** Of those that wait, for each model. */
const LISTED_MAX = 100;

export interface QueueReportOptions {
  readonly scheduler: Scheduler;
  readonly models: readonly string[];
  readonly limits: SchedulerLimits;
  readonly calls: ReadonlyMap<number, Call>;
  readonly nowMs: number;
}

export function reportQueue(options: QueueReportOptions): QueueInfo {
  const { scheduler, models, limits } = options;
  return {
    depth: scheduler.depth,
    depthMax: limits.queueDepthMax,
    highSpare: limits.queueDepthHighSpare,
    models: models.map((name) => reportModel(name, options)),
  };
}

function reportModel(
  name: string,
  { scheduler, calls, nowMs }: QueueReportOptions,
): ModelQueueInfo {
  const { busy, free } = scheduler.counts(name);
  const first: ModelQueueInfo['first'][number][] = [];
  scheduler.forEachWaiting(name, (key) => {
    if (first.length >= LISTED_MAX) return;
    const { context, answer } = calls.get(key)!;
    const { requestId, priority } = context;
    first.push({ requestId, priority, waitedMs: nowMs - answer.arrivedMs });
  });
  return {
    name,
    busy,
    free,
    waiting: byPriority((priority) => scheduler.waitingOf(name, priority)),
    estimateMs: byPriority((priority) => scheduler.estimateWaitMs(name, priority)),
    first,
  };
}
