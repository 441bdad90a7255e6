/**
 * Who runs and who waits (`GET /admin/queue`): for an operator who asks why something takes so long.
 * Ids and classes only, never a prompt. Units: seconds, as everywhere on the wire.
 */
import type { ModelQueueInfo } from '../../core/engine.ts';
import { byPriority } from '../../core/priority.ts';
import type { Exchange } from '../exchange.ts';

export function adminQueue(exchange: Exchange): Response {
  const { depth, depthMax, highSpare, models } = exchange.deps.engine.queue();
  return exchange.json(200, {
    depth,
    depth_max: depthMax,
    depth_high_spare: highSpare,
    models: models.map(toBody),
  });
}

function toBody({ name, busy, free, waiting, estimateMs, first }: ModelQueueInfo): object {
  return {
    name,
    slots: { busy, free },
    waiting,
    estimated_wait_s: byPriority((priority) => toSeconds(estimateMs[priority])),
    first: first.map(({ requestId, priority, waitedMs }, position) => ({
      id: requestId,
      priority,
      position,
      waited_s: toSeconds(waitedMs),
    })),
  };
}

function toSeconds(ms: number): number {
  return Math.round(ms) / 1000;
}
