/**
 * `npm run bench -- ember`: how fast the model that ships inside is there and answers, on one core; and how
 * long a new user waits from a bare clone to the first token. Also how it does under a JSON grammar.
 *
 * Bars    load and first token ≤ 300 ms; decode ≥ 1,000 tokens/s; clone to first token ≤ 60 s; under a grammar
 *         right in 100 % with the material in the prompt, closed in 90 % without.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { EMBER_FILE } from '../src/models/ember.ts';
import { userSays, WorkerClient } from '../tests/support/worker-client.ts';
import { measureGrammar } from './lib/ember-grammar.ts';
import type { BenchOptions } from './lib/options.ts';
import { runQuiet } from './lib/quiet.ts';
import { Report, ROOT } from './lib/report.ts';
import { showSpread, spreadOf } from './lib/stats.ts';

const CORE = '0';
const CONTEXT_TOKENS = 2048;
const DECODED_TOKENS = 1_000;
const LOAD_LIMIT_MS = 300;
const DECODE_LIMIT = 1_000;
const CLONE_LIMIT_S = 60;
/** Then it hangs, and is ended. */
const CLONE_ENDS_MS = 10 * 60_000;

interface OnOneCore {
  readonly loadMs: number;
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
  readonly parts: Readonly<Record<string, number>>;
}

export async function runEmber({ rounds, signal }: BenchOptions): Promise<number> {
  const report = new Report('ember', 'The model that ships inside');
  await onOneCore();
  const runs: OnOneCore[] = [];
  for (let round = 0; round < rounds && !signal.aborted; round++) {
    runs.push((await runQuiet([], onOneCore)).value);
  }
  const grammar = await measureGrammar();
  const clone = await fromBareClone(signal);

  const spread = (of: (run: OnOneCore) => number) => spreadOf(runs.map(of));
  const load = spread(({ loadMs }) => loadMs);
  const first = spread(({ firstTokenMs }) => firstTokenMs);
  const together = spread(({ loadMs, firstTokenMs }) => loadMs + firstTokenMs);
  const decode = spread(({ tokensPerSecond }) => tokensPerSecond);
  report.note(`On one core, one thread; medians of ${rounds} (range in brackets).`);
  report.table(
    ['what', ''],
    [
      ['load, ms', showSpread(load, 0)],
      ...Object.keys(runs[0]?.parts ?? {}).map((name) => [
        `of which ${name}, ms`,
        showSpread(
          spread(({ parts }) => parts[name] ?? 0),
          0,
        ),
      ]),
      ['first token of a short question, ms', showSpread(first, 0)],
      [`decode, tokens/s over ${DECODED_TOKENS}`, showSpread(decode, 0)],
      ['JSON grammar, material in the prompt: right', `${grammar.withMaterial.toFixed(0)} %`],
      ['JSON grammar, no material: closed', `${grammar.withoutMaterial.toFixed(0)} %`],
      ['bare clone: set-up done and listening, s', clone.listeningS.toFixed(1)],
      ['bare clone: first token, s', clone.firstTokenS.toFixed(1)],
    ],
  );
  report.bar({
    name: 'load and first token',
    value: together.median,
    limit: LOAD_LIMIT_MS,
    rule: 'at most',
    unit: ' ms',
  });
  report.bar({
    name: 'decode',
    value: decode.median,
    limit: DECODE_LIMIT,
    rule: 'at least',
    unit: ' tokens/s',
  });
  report.bar({
    name: 'right under a grammar',
    value: grammar.withMaterial,
    limit: 100,
    rule: 'at least',
    unit: ' %',
  });
  report.bar({
    name: 'closed under a grammar without material',
    value: grammar.withoutMaterial,
    limit: 90,
    rule: 'at least',
    unit: ' %',
  });
  report.bar({
    name: 'bare clone to first token',
    value: clone.firstTokenS,
    limit: CLONE_LIMIT_S,
    rule: 'at most',
    unit: ' s',
  });
  report.data('oneCore', runs);
  report.data('grammar', grammar);
  report.data('clone', clone);
  return report.finish();
}

async function onOneCore(): Promise<OnOneCore> {
  const worker = WorkerClient.spawn('llama-cpp');
  await worker.until(() => worker.messages.some(({ type }) => type === 'hello'));
  execFileSync('taskset', ['-acp', CORE, String(worker.pid)], { stdio: 'ignore' });
  const spec = { path: EMBER_FILE, contextTokens: CONTEXT_TOKENS, slots: 1, threads: 1 };
  const begun = performance.now();
  const { loadMs: parts } = await worker.load(spec);
  const loaded = performance.now();
  const hello = worker.start({ prompt: userSays('Hello') });
  await worker.until(() => worker.generation(hello).ids.length > 0);
  const answered = performance.now();
  await worker.end(hello);

  const long = worker.start({
    prompt: userSays('Tell me a story.'),
    maxTokens: DECODED_TOKENS,
    sampling: { ignoreEos: true },
  });
  await worker.until(() => worker.generation(long).ids.length > 0);
  const decoding = performance.now();
  const had = worker.generation(long).ids.length;
  const { ids } = await worker.end(long);
  const tokensPerSecond = ((ids.length - had) / (performance.now() - decoding)) * 1000;
  await worker.stop();
  return { loadMs: loaded - begun, firstTokenMs: answered - loaded, tokensPerSecond, parts };
}

/** As a new user does it: clone, `npm start`, ask. What npm has in its cache is used. */
async function fromBareClone(stop: AbortSignal) {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(CLONE_ENDS_MS)]);
  const home = mkdtempSync(join(tmpdir(), 'hearth-bench-clone-'));
  const seconds = (since: number) => (performance.now() - since) / 1000;
  try {
    const begun = performance.now();
    execFileSync('git', ['clone', '--quiet', ROOT, join(home, 'hearth')]);
    const flags = [
      '--json',
      '--port',
      '0',
      '--admin-port',
      '0',
      '--state-dir',
      join(home, 'state'),
    ];
    const npm = spawn('npm', ['start', '--', ...flags], {
      cwd: join(home, 'hearth'),
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    // The server behind npm holds the pipe, too.
    let isClosed = false;
    const closed = once(npm, 'close').then(() => {
      isClosed = true;
    });
    const end = () => {
      if (!isClosed) process.kill(-npm.pid!, 'SIGTERM');
    };
    signal.addEventListener('abort', end, { once: true });
    try {
      const url = await listeningAt(npm.stdout);
      const listeningS = seconds(begun);
      const response = await fetch(`${url}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'ember',
          stream: true,
          messages: [{ role: 'user', content: 'Hello' }],
        }),
        signal,
      });
      let text = '';
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
        text += piece;
        if (/"content":"[^"]/.test(text)) break;
      }
      return { listeningS, firstTokenS: seconds(begun) };
    } finally {
      signal.removeEventListener('abort', end);
      end();
      await closed;
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function listeningAt(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const found = /"event":"listening","url":"([^"]+)"/.exec(line);
    if (found) return found[1]!;
  }
  throw new Error('the server of the clone ended before it listened');
}
