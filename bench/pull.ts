/**
 * `npm run bench -- pull`: how fast a file of 1 GiB comes from a hub on this machine, beside curl, which fetches
 * the same file over one connection and checks nothing. Whole processes, from start to end, by turns.
 *
 * Both write into memory (`/dev/shm`): what a disk does with a gigabyte, and that a pull waits until it is on it,
 * is in the second table, without a bar.
 *
 * Bars    `hearth pull` ≥ 0.8 of curl's speed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';

import type { BenchOptions } from './lib/options.ts';
import { buildPackage } from './lib/package.ts';
import { isDisturbed, type Quiet, runQuiet } from './lib/quiet.ts';
import { Report, ROOT } from './lib/report.ts';
import { showSpread, spreadOf } from './lib/stats.ts';

const SHARE_LIMIT = 0.8;
const MEMORY_DIR = '/dev/shm';
const Address = z.object({ url: z.string(), file: z.string() });
type Address = z.output<typeof Address>;

export async function runPull({ rounds, mib, signal }: BenchOptions): Promise<number> {
  const report = new Report('pull', `Pulling ${mib} MiB`);
  const entry = buildPackage();
  const server = spawn(process.execPath, [join(ROOT, 'bench/pull-server.ts'), String(mib)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(server, 'exit');
  try {
    const lines = createInterface({ input: server.stdout! });
    const [line] = (await once(lines, 'line', { signal })) as [string];
    const address = Address.parse(JSON.parse(line));
    const parts = { report, entry, address, mib, rounds, signal, server: server.pid! };
    report.note(
      `MiB/s of whole processes; the server in a process of its own; medians of ${rounds} (range in brackets).`,
    );
    const inMemory = existsSync(MEMORY_DIR) ? MEMORY_DIR : tmpdir();
    const { pull, curl } = await compare(parts, inMemory, 'memory');
    report.bar({
      name: 'hearth pull beside curl',
      value: pull / curl,
      limit: SHARE_LIMIT,
      rule: 'at least',
      unit: '',
    });
    report.note('The same onto the disk of the temporary folder; a pull waits until it is there.');
    await compare(parts, tmpdir(), 'disk');
    return report.finish();
  } finally {
    server.stdin!.end();
    await exited;
  }
}

interface Parts {
  readonly report: Report;
  readonly entry: string;
  readonly address: Address;
  readonly mib: number;
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly server: number;
}

/** Medians in MiB/s. */
async function compare(
  { report, entry, address, mib, rounds, signal, server }: Parts,
  parent: string,
  name: string,
): Promise<{ pull: number; curl: number }> {
  const runs = { pull: [] as Quiet<number>[], curl: [] as Quiet<number>[] };
  const folder = mkdtempSync(join(parent, 'hearth-pull-bench-'));
  const target = join(folder, 'models', 'model', 'model-Q8_0.gguf');
  const environment = {
    HEARTH_MODELS_DIR: join(folder, 'models'),
    HEARTH_STATE_DIR: join(folder, 'state'),
    HF_ENDPOINT: address.url,
  };
  const commands = {
    pull: {
      program: process.execPath,
      args: [entry, 'pull', 'bench/model', '--json'],
      file: target,
    },
    curl: {
      program: 'curl',
      args: ['--silent', '--show-error', '--fail', '--output', join(folder, 'file'), address.file],
      file: join(folder, 'file'),
    },
  };
  const measure = async (which: keyof typeof commands) => {
    const { program, args, file } = commands[which];
    const startMs = performance.now();
    await run(program, args, { folder, environment, signal });
    const seconds = (performance.now() - startMs) / 1000;
    if (statSync(file).size !== mib * 2 ** 20) throw new Error(`${which} fetched another length`);
    rmSync(join(folder, 'models'), { recursive: true, force: true });
    rmSync(join(folder, 'file'), { force: true });
    return mib / seconds;
  };
  try {
    // The first ones fill caches.
    for (const which of ['pull', 'curl'] as const) await measure(which);
    for (let round = 0; round < rounds; round++) {
      for (const which of ['pull', 'curl'] as const) {
        runs[which].push(await runQuiet([server], () => measure(which)));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const spreads = {
    pull: spreadOf(runs.pull.map(({ value }) => value)),
    curl: spreadOf(runs.curl.map(({ value }) => value)),
  };
  report.table(
    [`onto ${name}`, 'MiB/s', 'runs with > 8 % foreign load'],
    (['pull', 'curl'] as const).map((which) => {
      const disturbed = runs[which].filter(({ foreignShare }) => isDisturbed(foreignShare)).length;
      const label = which === 'pull' ? 'hearth pull' : 'curl';
      return [label, showSpread(spreads[which], 0), `${disturbed} of ${rounds}`];
    }),
  );
  report.data(name, runs);
  return { pull: spreads.pull.median, curl: spreads.curl.median };
}

async function run(
  program: string,
  args: readonly string[],
  around: {
    readonly folder: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { folder, environment, signal } = around;
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
    signal,
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said}`);
}
