/** Listening on several addresses, ports in use, and closing while answers are under way. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';

import { describe, expect, test } from 'vitest';

import { ListenError, listen } from '../../src/api/server.ts';
import { silentLog } from '../../src/core/log.ts';
import { makeApi, post } from '../support/api-fixture.ts';
import { ARRIVAL, readAll, readUntil, serveApi } from '../support/api-server.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);
if (!hasIpv6) console.warn('IPv6 tests are skipped: this machine has no ::1');

const CHAT = '/v1/chat/completions';
const STREAM = { model: 'scripted', messages: [{ role: 'user', content: 'Hi' }], stream: true };

describe('listening', () => {
  test.skipIf(!hasIpv6)('IPv4 and IPv6 get the same free port', async () => {
    await using api = await serveApi({}, {}, { hosts: ['127.0.0.1', '::1'] });
    expect(api.server.hosts).toEqual(['127.0.0.1', '::1']);
    for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
      const response = await fetch(`http://${host}:${api.port}/health`);
      expect(response.status).toBe(200);
    }
  });

  test('an address the machine does not have is skipped, with a line', async () => {
    const { app, lines } = makeApi();
    const log = { ...silentLog, warn: (fields: object) => void lines.push(fields as never) };
    const hosts = ['127.0.0.1', '2001:db8::1'];
    await using server = await listen({ app, hosts, port: 0, backlog: 8, log, ...ARRIVAL });
    expect(server.hosts).toEqual(['127.0.0.1']);
    expect(lines).toEqual([{ host: '2001:db8::1' }]);
  });

  test('when no address works the error names the first', async () => {
    const { app } = makeApi();
    const options = { app, hosts: ['2001:db8::1'], port: 0, backlog: 8, log: silentLog };
    await expect(listen({ ...options, ...ARRIVAL })).rejects.toThrow(
      'Cannot listen on [2001:db8::1]:0',
    );
  });

  test('a port in use is named, and nothing stays open', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { app } = makeApi();
    const hosts = [...(hasIpv6 ? ['::1'] : []), '127.0.0.1'];
    const failed = listen({ app, hosts, port, backlog: 8, log: silentLog, ...ARRIVAL });
    await expect(failed).rejects.toThrow(`Cannot listen on 127.0.0.1:${port}: the port is in use`);
    await expect(failed).rejects.toBeInstanceOf(ListenError);
    const left = connect({ host: hasIpv6 ? '::1' : '127.0.0.2', port });
    await once(left, 'error');
    other.close();
  });
});

describe('closing', () => {
  test('lets an answer end, takes no new connection, and does not wait for idle ones', async () => {
    const gate = Promise.withResolvers<void>();
    const api = await serveApi({ scripts: [{ gate: gate.promise }] });
    const idle = connect({ port: api.port, host: '127.0.0.1' });
    idle.write(`GET /health HTTP/1.1\r\nHost: localhost:${api.port}\r\n\r\n`);
    await readUntil(idle, /"ok"/);
    const running = fetch(`${api.url}${CHAT}`, post(STREAM));
    await expect.poll(() => api.engine.submitted.length).toBe(1);

    const closed = api.server.close(20_000);
    await once(idle, 'close');
    await expect(fetch(`${api.url}/health`)).rejects.toThrow();
    gate.resolve();
    expect(await (await running).text()).toContain('[DONE]');
    await closed;
  });

  test('cuts what does not end within the deadline, and the engine is told', async () => {
    const api = await serveApi({ scripts: [{ hangs: true }] });
    const response = await fetch(`${api.url}${CHAT}`, post(STREAM));
    const text = response.text();
    text.catch(() => {});
    await api.server.close(20);
    await expect(text).rejects.toThrow();
    await expect.poll(() => api.engine.last.call.signal.aborted).toBe(true);
    expect(api.engine.last.ended).toBe(undefined);
    expect(api.lines.at(-1)!.fields.status).toBe(499);
  });

  test('a second call brings the deadline forward', async () => {
    const api = await serveApi({ scripts: [{ hangs: true }] });
    const answer = fetch(`${api.url}${CHAT}`, post(STREAM)).then((response) => response.text());
    answer.catch(() => {});
    await expect.poll(() => api.engine.submitted.length).toBe(1);
    const patient = api.server.close(1_000_000);
    await api.server.close(10);
    await patient;
    await expect(answer).rejects.toThrow();
  });

  test('a half request does not hold it up', async () => {
    const api = await serveApi();
    const socket = connect({ port: api.port, host: '127.0.0.1' });
    socket.write('GET /health HT');
    await once(socket, 'connect');
    const ended = readAll(socket);
    await api.server.close(50);
    await ended;
  });
});
