/**
 * HTTP to a hub and to where it sends us. Redirects are followed by hand, so that each place is looked at
 * before anything goes there:
 *
 *   scheme   https; http only where the configured hub is itself http
 *   address  checked on the socket, after the name was looked up: public, or of the kind of the hub's own
 *            (a mirror in a company may send to its neighbours); never link-local, where clouds keep secrets.
 *            Behind a proxy the name is looked up there, and only addresses that are written out are checked
 *   token    to the origin of the hub alone, and in clear text to this machine alone
 *
 * Units   ms.
 * Errors  TransferError where another attempt may work: no connection, silence, 429, 5xx.
 *         PullError where none will: a place that is refused, more than five redirects.
 *         Neither holds the token or the query of a URL, which may be a signature.
 */
import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';

import { type AddressKind, kindOfAddress } from './addresses.ts';
import { PullError, TransferError } from './pull-error.ts';

export interface HubClientOptions {
  readonly endpoint: URL;
  readonly token: string | undefined;
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, also in small letters: as programs read them. Empty: none. */
  readonly proxyEnvironment: Readonly<Record<string, string>>;
  readonly userAgent: string;
  /** A connection that says nothing for so long is cut. */
  readonly silenceMs: number;
  readonly connections: number;
}

export interface HubAnswer {
  readonly response: IncomingMessage;
  /** Where it came from in the end. */
  readonly url: URL;
}

const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What a server may have us wait; longer is as good as never. */
const AFTER_MAX_MS = 5 * 60_000;

export class HubClient implements Disposable {
  readonly endpoint: URL;
  readonly silenceMs: number;
  readonly hasToken: boolean;
  readonly #options: HubClientOptions;
  readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly #proxyHosts: ReadonlySet<string>;
  /** Besides public ones: the kinds that the hub itself is of. */
  readonly #kinds = new Set<AddressKind>(['public']);

  constructor(options: HubClientOptions) {
    this.#options = options;
    this.#proxyHosts = new Set(
      Object.values(options.proxyEnvironment).flatMap((text) => URL.parse(text)?.hostname ?? []),
    );
    this.endpoint = options.endpoint;
    this.silenceMs = options.silenceMs;
    this.hasToken = options.token !== undefined;
    const agent = {
      keepAlive: true,
      maxSockets: options.connections + 2,
      scheduling: 'lifo',
      proxyEnv: options.proxyEnvironment,
    } as const;
    this.#agents = { http: new HttpAgent(agent), https: new HttpsAgent(agent) };
  }

  /** Any status but a redirect. The body is for the caller to read or destroy. */
  async get(
    url: URL,
    { headers = {}, signal }: { headers?: Record<string, string>; signal: AbortSignal },
  ): Promise<HubAnswer> {
    let at = url;
    for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
      this.#assertAllowed(at, hops > 0);
      const response = await this.#send(at, headers, signal);
      if (!REDIRECTS.has(response.statusCode!)) return { response, url: at };
      response.destroy();
      const next = URL.parse(response.headers.location ?? '', at);
      if (next === null) {
        throw new PullError('broken', `${at.host} sent a redirect that leads nowhere.`);
      }
      at = next;
    }
    throw new PullError('broken', `${url.host} redirects more than ${REDIRECTS_MAX} times.`);
  }

  [Symbol.dispose](): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  #assertAllowed(url: URL, isRedirect: boolean): void {
    const { endpoint } = this;
    const isPlain = url.protocol === 'http:' && endpoint.protocol === 'http:';
    if (url.protocol !== 'https:' && !isPlain) throw refused(url, isRedirect, 'which is not https');
    if (url.username !== '' || url.password !== '') {
      throw refused(url, isRedirect, 'with a user or password in it');
    }
    const kind = kindOfAddress(url.hostname);
    if (kind === undefined) return;
    // Whoever configured the hub by its address has allowed it.
    if (url.hostname === endpoint.hostname) this.#kinds.add(kind);
    this.#assertKind(url.hostname, kind);
  }

  #assertKind(host: string, kind: AddressKind): void {
    if (this.#kinds.has(kind) && kind !== 'link-local') return;
    throw new PullError(
      'refused',
      `${this.endpoint.host} sends to ${host}, which is a ${kind} address. Nothing is fetched from there.`,
    );
  }

  #send(url: URL, extra: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const isHttps = url.protocol === 'https:';
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = (isHttps ? httpsRequest : httpRequest)(url, {
      agent: isHttps ? this.#agents.https : this.#agents.http,
      headers: {
        'user-agent': this.#options.userAgent,
        accept: '*/*',
        // A range is one of the bytes that are there, not of packed ones.
        'accept-encoding': 'identity',
        ...this.#authorization(url),
        ...extra,
      },
      lookup: this.#lookup,
      signal,
    });
    const silence = setTimeout(() => {
      request.destroy(new TransferError(this.#at(url, 'no answer')));
    }, this.silenceMs);
    const isSettled = () => clearTimeout(silence);
    request.once('response', (response) => {
      isSettled();
      resolve(response);
    });
    // Also what goes wrong once the answer has begun: the reader of the body hears of it from the body.
    request.on('error', (error) => {
      isSettled();
      reject(signal.aborted ? signal.reason : this.#toFailure(error, url));
    });
    request.end();
    return promise;
  }

  #authorization(url: URL): Record<string, string> {
    const { token } = this.#options;
    if (token === undefined || url.origin !== this.endpoint.origin) return {};
    const isHere = url.hostname === 'localhost' || kindOfAddress(url.hostname) === 'loopback';
    return url.protocol === 'https:' || isHere ? { authorization: `Bearer ${token}` } : {};
  }

  #toFailure(error: Error, url: URL): Error {
    if (error instanceof PullError || error instanceof TransferError) return error;
    const code = (error as NodeJS.ErrnoException).code ?? error.message;
    return new TransferError(this.#at(url, WORDS[code] ?? code), { cause: error });
  }

  /** The hub itself is named by whoever tells of it. */
  #at(url: URL, why: string): string {
    return url.host === this.endpoint.host ? why : `${url.host}: ${why}`;
  }

  /** On the way to the socket: what was looked up is what is connected to. */
  readonly #lookup: LookupFunction = (host, options, done) => {
    dnsLookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, '', 0);
      try {
        const allowed = this.#allowedOf(host, addresses);
        if (options.all) done(null, allowed as LookupAddress[]);
        else done(null, allowed[0]!.address, allowed[0]!.family);
      } catch (reason) {
        done(reason as Error, '', 0);
      }
    });
  };

  #allowedOf(host: string, addresses: readonly LookupAddress[]): readonly LookupAddress[] {
    // Whoever set it may have it anywhere.
    if (this.#proxyHosts.has(host)) return addresses;
    const isEndpoint = host === this.endpoint.hostname;
    for (const { address } of addresses) {
      const kind = kindOfAddress(address) ?? 'special';
      if (isEndpoint) this.#kinds.add(kind);
      this.#assertKind(host, kind);
    }
    return addresses;
  }
}

/** What the server asks us to wait, if it does. Seconds or a date, RFC 9110 §10.2.3. */
export function retryAfterMs(response: IncomingMessage, nowMs: number): number | undefined {
  const text = response.headers['retry-after'];
  if (text === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  if (Number.isNaN(ms)) return undefined;
  return Math.min(Math.max(0, ms), AFTER_MAX_MS);
}

function refused(url: URL, isRedirect: boolean, why: string): PullError {
  const what = isRedirect ? 'The hub redirects to' : 'The address is';
  const place = url.protocol === 'http:' ? `http://${url.host}` : `${url.protocol}…`;
  return new PullError('refused', `${what} ${place}, ${why}. Nothing is fetched from there.`);
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody answers there',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'there is no such host, or no network',
  EAI_AGAIN: 'the name cannot be looked up, perhaps there is no network',
  ETIMEDOUT: 'no answer in time',
  ENETUNREACH: 'the network cannot be reached',
  EHOSTUNREACH: 'the host cannot be reached',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate cannot be verified',
};
