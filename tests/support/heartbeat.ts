/** For tests that are not about heartbeats: often enough to be seen, and nobody dies of missing ones. */
import type { HeartbeatSettings } from '../../src/ipc/heartbeat.ts';

export const HEARTBEAT: HeartbeatSettings = {
  intervalMs: 20,
  misses: 3,
  silenceLimitMs: 60_000,
  dependent: true,
};
