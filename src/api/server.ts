/**
 * One application on one port of several addresses.
 *
 *   listen() ──▶ listening ──close(deadline)──▶ closing ──▶ closed
 *
 * All addresses have the same port, also when a free one is picked. An address that the machine
 * does not have (IPv6 switched off) is skipped with a log line as long as another one works.
 * `close` lets running answers end within its deadline and then destroys their connections.
 *
 * Errors  `listen` rejects with a ListenError that names address and port.
 * Source  RFC 9110, 9112; Node's own parser is never put into its lenient mode.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';

import { getRequestListener } from '@hono/node-server';

import type { Log } from '../core/log.ts';
import type { App } from './app.ts';
import { answerBadRequest, onClientError, onUnknownExpectation } from './raw-errors.ts';

const HEADER_BYTES_MAX = 64 * 1024;
/** How often it is looked whether a request arrives in time. */
const CHECK_INTERVAL_MS = 5_000;
/** Of the time for headers: so much later than that they may be cut. */
const CHECK_SHARE = 0.25;
/** Longer than clients keep idle connections, so that it is they who close. */
const KEEP_ALIVE_MS = 65_000;
/** How often the port of the first address may be taken on another before we give up. */
const PORT_ATTEMPTS = 10;
const IDLE_SWEEP_MS = 50;
/** Each waits for a slot or reads a stream; the queue refuses far earlier. */
const CONNECTIONS_MAX = 4096;

export interface ListenOptions {
  readonly app: App;
  readonly hosts: readonly string[];
  /** 0 picks a free one. */
  readonly port: number;
  readonly backlog: number;
  /** From the start of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From there to the end of its body: 32 MiB over a slow tunnel. */
  readonly bodyTimeoutMs: number;
  readonly log: Log;
}

export class ListenError extends Error {
  override name = 'ListenError';
  readonly host: string;
  readonly port: number;

  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    super(`Cannot listen on ${address(host, port)}: ${reasonOf(cause)}`, { cause });
    this.host = host;
    this.port = port;
  }
}

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  /** Those that are listened on. */
  readonly hosts: readonly string[];
  /** Resolves when no connection is left. A second call can only bring the deadline forward. */
  close(deadlineMs: number): Promise<void>;
}

export async function listen(options: ListenOptions): Promise<HttpServer> {
  const { port, log } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await listenOnAll(options);
    } catch (error) {
      const isRaceForFreePort = port === 0 && attempt < PORT_ATTEMPTS && isTaken(error);
      if (!isRaceForFreePort) throw error;
      log.debug({ attempt }, 'a free port of one address is taken on another; trying the next');
    }
  }
}

async function listenOnAll(options: ListenOptions): Promise<HttpServer> {
  const { hosts, log } = options;
  const open: { readonly host: string; readonly server: Server }[] = [];
  const missing: ListenError[] = [];
  let port = options.port;
  try {
    for (const host of hosts) {
      try {
        const server = await listenOnOne(options, host, port);
        port = portOf(server);
        open.push({ host, server });
      } catch (error) {
        if (!(error instanceof ListenError) || !isMissingAddress(error)) throw error;
        missing.push(error);
      }
    }
    if (open.length === 0) throw missing[0] ?? new RangeError('Expected at least one host');
  } catch (error) {
    for (const { server } of open) server.close();
    throw error;
  }
  for (const { host } of missing)
    log.warn({ host }, 'this machine does not have the address; skipped');
  return new Listening(open, port);
}

class Listening implements HttpServer {
  readonly port: number;
  readonly hosts: readonly string[];
  readonly #servers: readonly Server[];
  #closed: Promise<void> | undefined;

  constructor(open: readonly { readonly host: string; readonly server: Server }[], port: number) {
    this.port = port;
    this.hosts = open.map(({ host }) => host);
    this.#servers = open.map(({ server }) => server);
  }

  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#drain();
    // A later call may shorten the time, never lengthen it: the earlier timer is still there.
    const timer = setTimeout(() => {
      for (const server of this.#servers) server.closeAllConnections();
    }, deadlineMs);
    return this.#closed.finally(() => clearTimeout(timer));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }

  async #drain(): Promise<void> {
    const closed = this.#servers.map((server) => once(server, 'close'));
    for (const server of this.#servers) server.close();
    // A connection whose answer has just ended is idle, and would be kept alive.
    const sweep = setInterval(() => {
      for (const server of this.#servers) server.closeIdleConnections();
    }, IDLE_SWEEP_MS);
    try {
      await Promise.all(closed);
    } finally {
      clearInterval(sweep);
    }
  }
}

async function listenOnOne(
  { app, backlog, headersTimeoutMs, bodyTimeoutMs, log }: ListenOptions,
  host: string,
  port: number,
): Promise<Server> {
  const listener = getRequestListener(app.fetch, {
    // Without a Host header there is no URL; the guard is to say so, not the adapter.
    hostname: 'missing-host.invalid',
    errorHandler: answerBadRequest,
  });
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: Math.ceil(headersTimeoutMs),
    requestTimeout: Math.ceil(headersTimeoutMs + bodyTimeoutMs),
    connectionsCheckingInterval: Math.ceil(
      Math.min(CHECK_INTERVAL_MS, headersTimeoutMs * CHECK_SHARE),
    ),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requireHostHeader: false,
    noDelay: true,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on('drop', () => log.warn({ host, max: CONNECTIONS_MAX }, 'a connection was refused'));
  server.on('request', listener);
  // `body.ts` sends 100 Continue when it wants the body, so a refusal spares the upload.
  server.on('checkContinue', listener);
  server.on('checkExpectation', onUnknownExpectation);
  server.on('clientError', (reason: NodeJS.ErrnoException, socket) =>
    onClientError(reason, socket as Socket, log),
  );
  server.listen({ host, port, backlog, ipv6Only: host.includes(':') });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ListenError(host, port, error as NodeJS.ErrnoException);
  }
  server.on('error', (error) => log.error({ host, err: error }, 'the listening socket failed'));
  return server;
}

function portOf(server: Server): number {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new RangeError('Expected a TCP address');
  return bound.port;
}

function isMissingAddress({ cause }: ListenError): boolean {
  const { code } = cause as NodeJS.ErrnoException;
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' || code === 'EINVAL';
}

function isTaken(error: unknown): boolean {
  return (
    error instanceof ListenError && (error.cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
  );
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'the port is in use; stop the other program or choose another port with --port';
    case 'EACCES':
      return 'not permitted; choose a port from 1024 on with --port';
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return 'this machine does not have the address; choose another with --host';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name does not resolve; choose another with --host';
    default:
      return message;
  }
}

function address(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
