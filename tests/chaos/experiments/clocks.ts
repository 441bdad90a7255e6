/** Fault 19: the wall clock jumps. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { atWork, type Experiment, RESTARTS } from '../experiment.ts';
import type { World } from '../world.ts';

const HOUR_MS = 3_600_000;
const JUMPS_MS = [1, -1, 2, -24, 24].map((hours) => hours * HOUR_MS);
/** More than any of this takes, and less than any jump. */
const NEAR_MS = HOUR_MS / 2;
const BURST = 12;
const BURST_WINDOW_MS = 1_000;
const MINUTE_MS = 60_000;
const PRELOAD = new URL('../../fixtures/jumping-clock.ts', import.meta.url).href;

export const CLOCKS: readonly Experiment[] = [
  {
    number: 19,
    name: 'the wall clock jumps by hours: nobody waits in vain, no limit opens or stays shut, no worker is killed',
    rules: { mayFailWith: ['rate_limited'] },
    startsItself: true,
    run: async (world) => {
      const problems: string[] = [];
      const clock = new WallClock(world);
      await world.start([], {
        ...clock.env,
        HEARTH_RATE_LIMIT_ENABLED: 'true',
        HEARTH_RATE_LIMIT_REQUESTS_PER_MINUTE: String(2.5 * BURST),
        HEARTH_RATE_LIMIT_BURST: String(BURST),
        HEARTH_RATE_LIMIT_BURST_WINDOW_S: String(BURST_WINDOW_MS / 1_000),
        HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '200',
        HEARTH_LIMITS_QUEUE_TIMEOUT_NORMAL_S: '20',
      });
      // More than there are slots, so that some wait while the clock jumps; no more than may come.
      const running = world.load({ clients: 6, requests: BURST, each: () => ({ tokens: 500 }) });
      for (let done = 0; done < BURST; done += 2 + world.below(3)) {
        await world.until(() => world.outcomes.length >= done);
        await clock.jump();
      }
      await running;
      const failed = world.outcomes.filter(({ end }) => end !== 'answered').length;
      if (failed > 0) problems.push(`${failed} requests were not answered`);

      problems.push(...(await atWork(world)));

      // The burst is used up, and comes back a second later by a clock that does not jump.
      await Promise.all(Array.from({ length: BURST + 2 }, () => world.ask(5)));
      await clock.jump();
      const shutMs = performance.now();
      await world.until(async () => (await world.ask(5)).end === 'answered');
      const tookMs = performance.now() - shutMs;
      if (tookMs > 4 * BURST_WINDOW_MS)
        problems.push(`a burst was shut for ${tookMs.toFixed(0)} ms`);

      // So will the minute, later; until then it stays shut, whatever the clock says.
      await world.until(async () => ((await world.ask(5)).retryAfterMs ?? 0) > BURST_WINDOW_MS);
      for (let jumps = 0; jumps < 3; jumps++) {
        await clock.jump();
        const { code, retryAfterMs = 0 } = await world.ask(5);
        const isShut = code === 'rate_limited' && retryAfterMs > BURST_WINDOW_MS;
        if (!isShut || retryAfterMs > MINUTE_MS) {
          problems.push(`beyond the minute: ${code}, to come back in ${retryAfterMs} ms`);
        }
      }
      const restarts = await world.metric(RESTARTS);
      if (restarts !== 0) problems.push(`${restarts} workers were killed`);
      return { faults: clock.jumps, problems };
    },
  },
];

/** Of the server alone: its log shows what it takes for the time. */
class WallClock {
  readonly env: Readonly<Record<string, string>>;
  jumps = 0;
  readonly #world: World;
  readonly #path: string;

  constructor(world: World) {
    this.#world = world;
    this.#path = join(world.stateDir, 'clock');
    this.env = { NODE_OPTIONS: `--import=${PRELOAD}`, WALL_CLOCK_OFFSET: this.#path };
    writeFileSync(this.#path, '0');
  }

  /** Resolves when the server has seen it. */
  async jump(): Promise<void> {
    const byMs = JUMPS_MS[this.#world.below(JUMPS_MS.length)]!;
    const seen = this.#world.server.output().length;
    writeFileSync(this.#path, String(byMs));
    // A request that is refused costs nothing and is logged.
    await this.#world.until(async () => {
      await fetch(`http://127.0.0.1:${this.#world.server.port}/nowhere`);
      const times = this.#world.server
        .output()
        .slice(seen)
        .matchAll(/"time":"([^"]+)"/g);
      return [...times].some(
        ([, time]) => Math.abs(Date.parse(time!) - Date.now() - byMs) < NEAR_MS,
      );
    });
    this.jumps += 1;
  }
}
