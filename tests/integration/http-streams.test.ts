/** Streams over real sockets: clients that leave at every stage, and one that does not read. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { describe, expect, test } from 'vitest';
import { readUntil, type ServedApi, serveApi } from '../support/api-server.ts';
import type { Script } from '../support/scripted-engine.ts';

const MESSAGES = [{ role: 'user', content: 'Hi' }];

function send(api: ServedApi, fields: object): Socket {
  const body = JSON.stringify({ model: 'scripted', messages: MESSAGES, ...fields });
  const socket = connect({ port: api.port, host: '127.0.0.1' });
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:${api.port}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

describe('a client that leaves', () => {
  const never = new Promise<void>(() => {});
  const stages: readonly [string, object, Script][] = [
    ['while it waits for a whole answer', {}, { gate: never }],
    [
      'while its stream is queued',
      { stream: true },
      { gate: never, waiting: [{ why: 'queue', position: 1 }] },
    ],
    ['amid a whole answer', {}, { hangs: true }],
  ];
  test.each(stages)('%s', async (_when, fields, script) => {
    await using api = await serveApi({ scripts: [script] });
    const socket = send(api, fields);
    await expect.poll(() => api.engine.submitted.length).toBe(1);
    socket.destroy();
    await expect.poll(() => api.engine.last.call.signal.aborted).toBe(true);
    await expect.poll(() => api.lines.length).toBe(1);
    expect(api.lines[0]!.fields).toMatchObject({ status: 499, code: 'client_closed_request' });
  });

  test('amid a stream, also when the engine is deaf', async () => {
    await using api = await serveApi({ scripts: [{ hangs: true }] });
    const socket = send(api, { stream: true });
    await readUntil(socket, /world/);
    socket.destroy();
    await expect.poll(() => api.engine.last.call.signal.aborted).toBe(true);
    await expect.poll(() => api.lines.length).toBe(1);
    expect(api.lines[0]!.fields).toMatchObject({ status: 499, stream: true });
  });

  test('after early headers, before the first token', async () => {
    await using api = await serveApi({ scripts: [{ gate: never }] }, { waitingHeaderMs: 5 });
    const socket = send(api, { stream: true });
    await readUntil(socket, /: waiting/);
    socket.destroy();
    await expect.poll(() => api.engine.last.call.signal.aborted).toBe(true);
  });

  test('two hundred at once leave nothing behind', async () => {
    await using api = await serveApi({ scripts: [{ hangs: true }] });
    const sockets = Array.from({ length: 200 }, (_, i) => send(api, { stream: i % 2 === 0 }));
    await expect.poll(() => api.engine.submitted.length, { timeout: 10_000 }).toBe(200);
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(() => api.engine.submitted.filter(({ call }) => !call.signal.aborted).length, {
        timeout: 10_000,
      })
      .toBe(0);
    await expect.poll(() => api.lines.length, { timeout: 10_000 }).toBe(200);
    expect(new Set(api.lines.map(({ fields }) => fields.status))).toEqual(new Set([499]));
  });
});

describe('a client that does not read', () => {
  test('holds the engine back, is cut, and frees what it held', async () => {
    const piece = 'x'.repeat(64 * 1024);
    const pieces = Array.from({ length: 2000 }, () => piece);
    await using api = await serveApi({ scripts: [{ pieces }] }, { slowReaderMs: 200 });
    const socket = send(api, { stream: true });
    const failed = once(socket, 'error');
    await once(socket, 'readable');
    socket.pause();
    await expect.poll(() => api.lines.length, { timeout: 10_000 }).toBe(1);
    expect(api.lines[0]!.fields).toMatchObject({ status: 408, code: 'slow_reader' });
    expect(api.engine.last.call.signal.aborted).toBe(true);
    // 128 MB were on offer; what the kernel keeps is a few.
    expect(api.engine.last.pulled).toBeLessThan(1000);
    // A reset: of a plain end the kernel would go on offering what was not read, for as long as it takes.
    socket.resume();
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
  });
});

describe('a stream in good order', () => {
  test('arrives piece by piece, not at the end', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const script: Script = {
      pieces: ['one', 'two', 'three'],
      beforePiece: async (index) => {
        if (index > 0) await gates[index - 1]!.promise;
      },
    };
    await using api = await serveApi({ scripts: [script] });
    const socket = send(api, { stream: true });
    expect(await readUntil(socket, /one/)).not.toContain('two');
    gates[0]!.resolve();
    expect(await readUntil(socket, /two/)).not.toContain('three');
    gates[1]!.resolve();
    await readUntil(socket, /\[DONE\]\n\n\r\n0\r\n\r\n/);
    socket.destroy();
  });

  test('the connection is usable again afterwards', async () => {
    await using api = await serveApi();
    const socket = send(api, { stream: true });
    await readUntil(socket, /\r\n0\r\n\r\n/);
    socket.write(`GET /health HTTP/1.1\r\nHost: localhost:${api.port}\r\n\r\n`);
    await readUntil(socket, /"ok"/);
    socket.destroy();
  });
});
