/**
 * `npm run bench -- http`: what the HTTP half costs without a model, driven by wrk, server and wrk
 * on one core each.
 *
 * Bars    GET /health through the whole chain ≥ 25,000/s; a chat without a stream, on an engine that
 *         answers at once, with logging on, ≥ 6,000/s.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { BenchOptions } from './lib/options.ts';
import { isDisturbed, type Quiet, runQuiet } from './lib/quiet.ts';
import { Report, ROOT } from './lib/report.ts';
import { showSpread, spreadOf } from './lib/stats.ts';

const run = promisify(execFile);

const SECONDS = 5;
const CONNECTIONS = 64;
const CHAT = JSON.stringify({
  model: 'scripted',
  messages: [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: 'Say hello in five words, please, and nothing else.' },
  ],
  max_tokens: 64,
  temperature: 0.8,
});
const CASES = [
  { name: 'GET /health', path: '/health', script: '', limit: 25_000 },
  {
    name: 'POST /v1/chat/completions, no stream',
    path: '/v1/chat/completions',
    script: `wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = [[${CHAT}]]\n`,
    limit: 6_000,
  },
] as const;

export async function runHttp({ rounds }: BenchOptions): Promise<number> {
  const report = new Report('http', 'The HTTP half without a model');
  report.note(
    `wrk, ${CONNECTIONS} connections, ${SECONDS} s a run, server and wrk on one core each; medians of ${rounds} (range in brackets).`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'hearth-http-'));
  const entry = join(ROOT, 'bench/http-server.ts');
  // Log lines go to a file, as a service's do.
  const stderr = openSync(join(folder, 'log'), 'w');
  const server = spawn('taskset', ['-c', '0', process.execPath, entry], {
    stdio: ['pipe', 'pipe', stderr],
  });
  try {
    const [line] = (await once(server.stdout!, 'data')) as [Buffer];
    const url = `http://127.0.0.1:${Number(line.toString())}`;
    const rows: string[][] = [];
    for (const { name, path, script, limit } of CASES) {
      const file = join(folder, 'request.lua');
      writeFileSync(file, script);
      const measure = () => wrk(`${url}${path}`, file);
      await measure();
      const runs: Quiet<number>[] = [];
      for (let round = 0; round < rounds; round++) {
        runs.push(await runQuiet([server.pid!], measure));
      }
      const rate = spreadOf(runs.map(({ value }) => value));
      const disturbed = runs.filter(({ foreignShare }) => isDisturbed(foreignShare)).length;
      rows.push([name, showSpread(rate, 0), `${disturbed} of ${runs.length}`]);
      report.bar({ name, value: rate.median, limit, rule: 'at least', unit: ' /s' });
      report.data(name, runs);
    }
    report.table(['request', 'requests/s', 'runs with > 8 % foreign load'], rows);
    return report.finish();
  } finally {
    const exited = once(server, 'exit');
    server.stdin!.end();
    await exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

async function wrk(url: string, script: string): Promise<number> {
  const args = ['-c', '1', 'wrk', '-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '-s', script, url];
  const { stdout } = await run('taskset', args, { timeout: 60_000 });
  if (stdout.includes('Non-2xx') || stdout.includes('Socket errors')) {
    throw new Error(`wrk met failures at ${url}:\n${stdout}`);
  }
  const rate = stdout.match(/Requests\/sec:\s+([\d.]+)/)?.[1];
  if (rate === undefined) throw new Error(`wrk printed no rate:\n${stdout}`);
  return Number(rate);
}
