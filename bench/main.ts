/**
 * `npm run bench -- <name> [flags]`: Hearth beside its peer, and against its own bars. Each bench
 * writes a dated result and exits non-zero when a bar is missed.
 */
import { parseOptions } from './lib/options.ts';
import { assertLinux } from './lib/proc.ts';

const BENCHES: Record<string, (args: readonly string[]) => Promise<number>> = {
  peer: async (args) => (await import('./peer.ts')).runPeer(parseOptions(args)),
  'second-turn': async (args) =>
    (await import('./second-turn.ts')).runSecondTurn(parseOptions(args)),
  stall: async (args) => (await import('./stall.ts')).runStall(parseOptions(args)),
  http: async (args) => (await import('./http.ts')).runHttp(parseOptions(args)),
  cpu: async (args) => (await import('./cpu.ts')).runCpu(parseOptions(args)),
  start: async (args) => (await import('./start.ts')).runStart(parseOptions(args)),
  soak: async (args) => (await import('./soak.ts')).runSoak(parseOptions(args)),
};

const [name = '', ...args] = process.argv.slice(2);
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (bench === undefined) {
  console.error(`bench: there is no "${name}". Name one of ${Object.keys(BENCHES).join(', ')}.`);
  process.exitCode = 2;
} else {
  assertLinux();
  process.exitCode = await bench(args);
}
