/**
 * How the two ends of a channel tell each other that they live (rows SP-028 … SP-039). The worker sends a
 * heartbeat each interval, the orchestrator a tick. Both are on from the start.
 *
 * The settings reach a worker in three ways, for the three kinds of program there are: in `welcome`, in one JSON
 * in the environment, and as a flag that says whether it depends on its parent's ticks.
 *
 * Units   ms.
 * Errors  none here; `protocol.ts` refuses what these are not.
 */
import * as z from 'zod';

/** The JSON of a HeartbeatSettings. */
export const HEARTBEAT_VARIABLE = 'HEARTH_HEARTBEAT_CONFIG';

export const Heartbeat = z.strictObject({
  intervalMs: z.int().positive(),
  /** Heartbeats that may fail to come before the worker counts as hung. */
  misses: z.int().positive(),
  /** A worker that hears nothing for so long ends itself. */
  silenceLimitMs: z.int().positive(),
  /** False: silence is only warned of, on both sides. */
  dependent: z.boolean(),
});
export type HeartbeatSettings = z.output<typeof Heartbeat>;

/** For programs that read no environment. */
export function heartbeatFlag({ dependent }: HeartbeatSettings): string {
  return dependent ? '--heartbeat-dependent' : '--heartbeat-independent';
}
