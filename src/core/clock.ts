/** Time as a port, so that decisions can be tested and simulated without waiting. */
export interface Clock {
  /** Monotonic milliseconds. The zero point means nothing; wall-clock jumps do not show. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => performance.now() };
