/** The HTTP application on a real port, around a scripted engine, for tests over sockets. */
import { connect, type Socket } from 'node:net';

import type { ApiSettings } from '../../src/api/deps.ts';
import { type HttpServer, type ListenOptions, listen } from '../../src/api/server.ts';
import { silentLog } from '../../src/core/log.ts';
import { type ApiFixture, makeApi } from './api-fixture.ts';
import type { ScriptedEngineOptions } from './scripted-engine.ts';

export interface ServedApi extends ApiFixture, AsyncDisposable {
  readonly server: HttpServer;
  readonly port: number;
  readonly url: string;
}

/** As they are by default. */
export const ARRIVAL = { headersTimeoutMs: 20_000, bodyTimeoutMs: 300_000 };

export async function serveApi(
  engineOptions: ScriptedEngineOptions = {},
  settings: Partial<ApiSettings> = {},
  { hosts = ['127.0.0.1'], ...arrival }: Partial<ListenOptions> = {},
): Promise<ServedApi> {
  const api = makeApi(engineOptions, settings);
  const options = { app: api.app, hosts, port: 0, backlog: 64, log: silentLog };
  const server = await listen({ ...options, ...ARRIVAL, ...arrival });
  api.ports.clear();
  api.ports.add(server.port);
  return {
    ...api,
    server,
    port: server.port,
    url: `http://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server.close(0),
  };
}

/** Sends bytes as they are and returns all that comes back until the server ends the connection. */
export function exchangeRaw(port: number, text: string | Buffer): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write(text);
  return readAll(socket);
}

export function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    // The server may cut what it has refused while we still write: what it said before counts.
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
    socket.setTimeout(20_000, () => {
      socket.destroy();
      reject(new Error(`The server went silent after: ${text}`));
    });
  });
}

/** Resolves when `pattern` has arrived, with everything that came so far. */
export function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!pattern.test(text)) return;
      socket.off('data', onData);
      resolve(text);
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error(`The connection ended after: ${text}`)));
    socket.once('error', reject);
  });
}
