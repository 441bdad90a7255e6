/** The load generator against a small server that answers in every way a server may. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Command } from 'commander';
import { afterEach, expect, test, vi } from 'vitest';

import { registerBench } from '../../src/cli/bench/command.ts';
import { runLoad } from '../../src/cli/bench/load.ts';
import type { StreamOutcome } from '../../src/cli/bench/stream-request.ts';

let server: Server | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

async function listen(answer: RequestListener): Promise<string> {
  server = createServer((request, response) => {
    request.resume().once('end', () => answer(request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

function runs(baseUrl: string, streams = 1, requestsPerStream = 1) {
  const body = (index: number) => ({ model: 'm', prompt: [index] });
  return runLoad({
    baseUrl,
    route: 'completions',
    streams,
    requestsPerStream,
    body,
    timeoutMs: 5000,
  });
}

async function one(baseUrl: string): Promise<StreamOutcome> {
  return (await runs(baseUrl)).outcomes[0]!;
}

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
const text = (value: string) => event({ choices: [{ index: 0, text: value }] });
const usage = event({
  choices: [],
  usage: { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 2 } },
});
const whole = `: waiting\n\n${text('a')}${text('')}${text('béc')}${event({ choices: [{ delta: {}, finish_reason: 'length' }] })}${usage}data: [DONE]\n\n`;

test('counts chunks with text and takes tokens from the usage, whatever the pieces', async () => {
  const bytes = Buffer.from(whole);
  const url = await listen((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const byte of bytes) response.write(Uint8Array.of(byte));
    response.end();
  });
  expect(await one(url)).toMatchObject({
    promptTokens: 9,
    cachedTokens: 2,
    generatedTokens: 4,
    finishReason: 'length',
    chunkTimesMs: [expect.any(Number), expect.any(Number)],
    error: undefined,
  });
});

test.each([
  ['a status', '{"error":{"message":"busy"}}', 503, 'status 503: busy'],
  ['a stream without its end', text('a'), 200, 'the stream ended without [DONE]'],
  ['an error inside', `${text('a')}${event({ error: { message: 'crashed' } })}`, 200, 'crashed'],
  ['no JSON', 'data: {{{\n\n', 200, 'no completion chunk'],
])('%s is a failed outcome', async (_, body, status, message) => {
  const url = await listen((_request, response) => response.writeHead(status).end(body));
  expect((await one(url)).error).toContain(message);
});

test('a broken connection is a failed outcome', async () => {
  const url = await listen((_, response) => {
    response.writeHead(200).write(text('a'), () => response.destroy());
  });
  expect((await one(url)).error).toBeTypeOf('string');
});

test('a connection that the server closed after an answer is replaced', async () => {
  const url = await listen((request, response) => {
    // Says keep-alive and closes: what some servers do after a stream.
    response.end(whole, () => request.socket.destroy());
  });
  const { outcomes } = await runs(url, 1, 5);
  expect(outcomes.map(({ error }) => error)).toEqual(Array(5).fill(undefined));
});

test('never more requests at once than streams', async () => {
  let active = 0;
  let most = 0;
  const url = await listen((_, response) => {
    most = Math.max(most, ++active);
    setImmediate(() => {
      active--;
      response.end(whole);
    });
  });
  const { outcomes } = await runs(url, 3, 4);
  expect(outcomes).toHaveLength(12);
  expect(most).toBeLessThanOrEqual(3);
});

async function hearthBench(...args: string[]): Promise<{ lines: string[]; error: unknown }> {
  const lines: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => {
    lines.push(...String(line).trimEnd().split('\n'));
    return true;
  });
  const program = new Command('hearth').exitOverride();
  registerBench(program, {});
  const error = await program.parseAsync(['bench', ...args], { from: 'user' }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  vi.restoreAllMocks();
  return { lines, error };
}

test('hearth bench asks for the model and prints a line for each number of streams', async () => {
  const url = await listen((request, response) => {
    response.end(request.url === '/v1/models' ? '{"data":[{"id":"small"}]}' : whole);
  });
  const { lines, error } = await hearthBench('--url', url, '--streams', '1,2', '--json');
  expect(error).toBeUndefined();
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { model: 'small', streams: 1, requests: 4, failed: 0 },
    { model: 'small', streams: 2, requests: 8, failed: 0 },
  ]);
});

test.each([
  [['--streams', 'x'], /--streams/],
  [['--requests', '0'], /--requests/],
  [['--url', 'ftp://x'], /--url/],
  [['--vocabulary', '1000'], /--route completions/],
  [['--url', 'http://127.0.0.1:1/v1'], /No server answers/],
])('hearth bench %j says what is wrong', async (args, message) => {
  const { error } = await hearthBench(...args);
  expect(String(error)).toMatch(message);
});

test('hearth bench fails when requests failed', async () => {
  const url = await listen((_, response) => {
    response.writeHead(500).end('{"error":{"message":"no"}}');
  });
  const { error } = await hearthBench('--url', url, '--model', 'm', '--streams', '1');
  expect(String(error)).toContain('4 requests failed: status 500: no');
});
