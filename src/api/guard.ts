/**
 * Who may talk to us: the Host and Origin rules, before anything else is looked at.
 *
 * A web page on any site can make a browser send requests to localhost. Under a name of its own
 * that it lets point here (DNS rebinding) it could even read the answers; the Host rule stops
 * that, the Origin rule everything else. Neither costs a program on this machine anything.
 *
 * Source  RFC 9110 §7.2; the Fetch standard's CORS protocol.
 */
import { RequestError } from '../core/errors.ts';
import type { ApiSettings } from './deps.ts';
import type { Exchange } from './exchange.ts';
import { shown } from './shown.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const PREFLIGHT_MAX_AGE_S = '600';
const ALLOWED_HEADERS =
  'authorization, content-type, content-encoding, x-request-id, x-priority, traceparent, ' +
  'openai-organization, openai-project, x-api-key';

export class Guard {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #ports: ReadonlySet<number>;

  constructor({ allowedHosts, allowedOrigins, ports }: ApiSettings) {
    this.#hosts = new Set(allowedHosts.map((host) => host.toLowerCase()));
    this.#origins = new Set(allowedOrigins);
    this.#ports = ports;
  }

  /** Throws a RequestError, or answers a preflight, or lets the request pass. */
  check(exchange: Exchange): Response | undefined {
    this.#checkHost(exchange);
    const origin = exchange.header('origin');
    if (origin === undefined) return undefined;
    if (!this.#origins.has(origin)) {
      throw new RequestError(
        'origin_not_allowed',
        `Web pages of origin ${shown(origin)} may not use this server; ` +
          'if the page is yours, add the origin to `[server] allowed_origins`',
      );
    }
    exchange.origin = origin;
    const isPreflight =
      exchange.method === 'OPTIONS' &&
      exchange.header('access-control-request-method') !== undefined;
    return isPreflight ? preflight(exchange) : undefined;
  }

  #checkHost(exchange: Exchange): void {
    const host = hostOf(exchange);
    const colon = host.lastIndexOf(':');
    // The colon inside the brackets of an IPv6 address separates no port.
    const hasPort = colon > host.lastIndexOf(']');
    const name = hasPort ? host.slice(0, colon) : host;
    const port = hasPort ? Number(host.slice(colon + 1)) : 80;
    if (LOOPBACK.has(name) && this.#ports.has(port)) return;
    if (this.#hosts.has(host) || this.#hosts.has(name)) return;
    if (this.#ports.has(port) && isOwnAddress(exchange, name)) return;
    throw new RequestError(
      'host_not_allowed',
      `Host ${shown(host)} is not this server; use localhost with its port, ` +
        `or add ${shown(name)} to \`[server] allowed_hosts\``,
    );
  }
}

/** A page cannot make a browser call an address by a name of its own, so the address itself is safe. */
function isOwnAddress({ incoming }: Exchange, name: string): boolean {
  const own = incoming?.socket.localAddress;
  return own !== undefined && (name === own || name === `[${own}]`);
}

function hostOf(exchange: Exchange): string {
  const raw = exchange.incoming?.rawHeaders;
  if (raw !== undefined) {
    // Node keeps the first of several and drops the rest: another reader may take another one.
    let count = 0;
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i]!;
      if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
    }
    if (count !== 1) {
      throw new RequestError(
        'invalid_value',
        `Expected one Host header, got ${count}; send exactly one`,
        { param: 'Host' },
      );
    }
  }
  // RFC 9112 §3.2.2: a target that names a host counts over the header.
  const isAbsolute = exchange.incoming?.url?.startsWith('/') === false;
  const host = isAbsolute ? undefined : exchange.header('host');
  return (host ?? new URL(exchange.c.req.url).host).toLowerCase();
}

function preflight(exchange: Exchange): Response {
  const headers: Record<string, string> = {
    'access-control-allow-methods': 'GET, POST, PUT, HEAD, OPTIONS',
    'access-control-allow-headers': ALLOWED_HEADERS,
    'access-control-max-age': PREFLIGHT_MAX_AGE_S,
  };
  if (exchange.header('access-control-request-private-network') === 'true') {
    headers['access-control-allow-private-network'] = 'true';
  }
  return exchange.respond(204, null, undefined, headers);
}
