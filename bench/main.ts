/**
 * `npm run bench -- <name> [flags]`: Hearth beside its peer, and against its own bars. Each bench
 * writes a dated result and exits non-zero when a bar is missed.
 */
import { type BenchOptions, parseOptions } from './lib/options.ts';
import { assertLinux } from './lib/proc.ts';

const BENCHES: Record<string, (options: BenchOptions) => Promise<number>> = {
  peer: async (options) => (await import('./peer.ts')).runPeer(options),
  'second-turn': async (options) => (await import('./second-turn.ts')).runSecondTurn(options),
  stall: async (options) => (await import('./stall.ts')).runStall(options),
  http: async (options) => (await import('./http.ts')).runHttp(options),
  cpu: async (options) => (await import('./cpu.ts')).runCpu(options),
  start: async (options) => (await import('./start.ts')).runStart(options),
  priority: async (options) => (await import('./priority.ts')).runPriority(options),
  sched: async (options) => (await import('./sched.ts')).runSched(options),
  'sched-http': async (options) => (await import('./sched-http.ts')).runSchedHttp(options),
  flood: async (options) => (await import('./flood.ts')).runFlood(options),
  swap: async (options) => (await import('./swap.ts')).runSwap(options),
  constrained: async (options) => (await import('./constrained.ts')).runConstrained(options),
  'hostile-schemas': async (options) =>
    (await import('./hostile-schemas.ts')).runHostileSchemas(options),
  fuzz: async (options) => (await import('./fuzz.ts')).runFuzz(options),
  ember: async (options) => (await import('./ember.ts')).runEmber(options),
  workers: async (options) => (await import('./workers.ts')).runWorkers(options),
  payload: async (options) => (await import('./payload.ts')).runPayload(options),
  'soak-workers': async (options) => (await import('./soak-workers.ts')).runSoakWorkers(options),
  maskbench: async (options) => (await import('./maskbench.ts')).runMaskbench(options),
  mlx: async (options) => (await import('./mlx.ts')).runMlx(options),
  pull: async (options) => (await import('./pull.ts')).runPull(options),
  soak: async (options) => (await import('./soak.ts')).runSoak(options),
};

const [name = '', ...args] = process.argv.slice(2);
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (bench === undefined) {
  console.error(`bench: there is no "${name}". Name one of ${Object.keys(BENCHES).join(', ')}.`);
  process.exitCode = 2;
} else {
  assertLinux();
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  process.exitCode = await bench(parseOptions(args, stop.signal));
}
