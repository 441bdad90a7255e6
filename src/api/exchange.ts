/**
 * One HTTP request and its answer: who asked, what was found out on the way, and the end.
 *
 *   open ──finish()──▶ finished        exactly once; writes the log line and the metric
 *
 * Headers are collected here and written once as a plain object: building and copying `Headers`
 * costs more than the rest of a small request.
 */
import type { IncomingMessage } from 'node:http';

import type { ModelInfo, RateState, Usage } from '../core/engine.ts';
import { BugError, type HearthError, RequestError } from '../core/errors.ts';
import { ANYBODY, type Caller, mayUse } from '../core/gate.ts';
import type { Priority } from '../core/priority.ts';
import type { ApiContext, ApiDeps } from './deps.ts';
import { errorBody, retryHeaders, statusOf } from './error-response.ts';
import { rateHeaders } from './rate-headers.ts';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
/** W3C trace context: version, trace id, parent id, flags. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** The API version that OpenAI's own server reports. */
const OPENAI_VERSION = '2020-10-01';
const EXPOSED =
  'x-request-id, openai-processing-ms, openai-version, x-hearth-priority, ' +
  'x-hearth-priority-asked, x-hearth-ignored, x-hearth-seed, retry-after, retry-after-ms, x-should-retry, ratelimit, ratelimit-policy, ' +
  'x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, ' +
  'x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens';

export type Headers = Record<string, string>;

export class Exchange {
  readonly deps: ApiDeps;
  readonly c: ApiContext;
  /** A template such as `/v1/models/{id}`, never what the client wrote. */
  readonly route: string;
  readonly id: string;
  readonly startedMs: number;
  readonly method: string;

  /** A name from the model table; unknown names must not become labels. */
  model: string | undefined;
  /** Undefined until the key is known, and on routes that need none when there was none. */
  caller: Caller | undefined;
  priority: Priority | undefined;
  /** The class that was asked for, where the key's cap is lower. */
  priorityAsked: Priority | undefined;
  usage: Usage | undefined;
  /** After the request was let in, or refused. */
  rate: RateState | undefined;
  seed: number | undefined;
  /** Set by the guard: the listed origin that asked. */
  origin: string | undefined;
  /** Names of parameters that were accepted without effect, made safe for a header. */
  ignored: readonly string[] = [];
  /** The answer goes on after the handler returned; the stream calls `finish`. */
  isStreaming = false;
  /** Probes and scrapes are logged at debug level. */
  isProbe = false;

  readonly #incoming: IncomingMessage | undefined;
  #isFinished = false;

  constructor(deps: ApiDeps, c: ApiContext, route: string) {
    this.deps = deps;
    this.c = c;
    this.route = route;
    this.#incoming = c.env?.incoming as IncomingMessage | undefined;
    this.startedMs = deps.clock.nowMs();
    this.method = c.req.raw.method;
    const wanted = this.header('x-request-id');
    this.id = wanted !== undefined && REQUEST_ID.test(wanted) ? wanted : deps.newRequestId();
  }

  /** Name in lower case. Reading Node's own object spares a `Headers`. */
  header(name: string): string | undefined {
    if (this.#incoming === undefined) return this.c.req.raw.headers.get(name) ?? undefined;
    const value = this.#incoming.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** On routes that need a key. */
  get knownCaller(): Caller {
    if (this.caller === undefined) throw new BugError('The caller is not known on this route');
    return this.caller;
  }

  /** Those that the caller may use. */
  get models(): readonly ModelInfo[] {
    const caller = this.knownCaller;
    return this.deps.engine.models().filter(({ name }) => mayUse(caller, name));
  }

  /** Node's request, absent under `app.request()`. */
  get incoming(): IncomingMessage | undefined {
    return this.#incoming;
  }

  json(status: number, body: unknown, extra?: Headers): Response {
    return this.respond(status, JSON.stringify(body), 'application/json', extra);
  }

  respond(
    status: number,
    body: string | ReadableStream<Uint8Array> | null,
    contentType: string | undefined,
    extra?: Headers,
  ): Response {
    const headers = this.#headers(contentType, extra);
    // Hono answers HEAD with the headers of GET; the length must not get lost with the body.
    if (this.method === 'HEAD' && typeof body === 'string') {
      headers['content-length'] = String(Buffer.byteLength(body));
    }
    return new Response(body, { status, headers });
  }

  error(error: HearthError, extra?: Headers): Response {
    const headers = { ...retryHeaders(error), ...extra };
    return this.json(statusOf(error), errorBody(error, this.id), headers);
  }

  /**
   * Cuts the connection: nothing more can be said to this client. False when there is none. By a reset:
   * after a plain end the system goes on offering what the client has not read, megabytes for each.
   */
  destroyConnection(): boolean {
    const outgoing = this.c.env?.outgoing;
    outgoing?.socket?.resetAndDestroy();
    outgoing?.destroy();
    return outgoing !== undefined;
  }

  /** The first call counts: a stream may end while its client leaves. */
  finish(status: number, error?: HearthError): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const { deps, usage } = this;
    const ms = deps.clock.nowMs() - this.startedMs;
    deps.metrics.requestEnded(
      { route: this.route, model: this.model, priority: this.priority, status },
      ms,
    );
    const fields: Record<string, unknown> = {
      requestId: this.id,
      method: this.method,
      route: this.route,
      status,
      ms: Math.round(ms * 100) / 100,
    };
    if (this.model !== undefined) fields.model = this.model;
    if (this.caller !== undefined && this.caller !== ANYBODY) fields.caller = this.caller.name;
    if (this.priority !== undefined) fields.priority = this.priority;
    if (this.priorityAsked !== undefined) fields.priorityAsked = this.priorityAsked;
    if (this.isStreaming) fields.stream = true;
    if (usage !== undefined) {
      fields.promptTokens = usage.promptTokens;
      fields.cachedTokens = usage.cachedTokens;
      fields.generatedTokens = usage.generatedTokens;
    }
    if (this.ignored.length > 0) fields.ignored = this.ignored;
    const trace = this.header('traceparent');
    if (trace !== undefined && TRACEPARENT.test(trace)) fields.traceparent = trace;
    if (error !== undefined) fields.code = error.code;

    if (status === 500) deps.log.error({ ...fields, err: error }, 'request failed');
    else if (this.isProbe && (status < 400 || status === 503)) {
      // "Not ready yet" is an answer, too.
      deps.log.debug(fields, 'request finished');
    } else if (status > 500) {
      deps.log.warn({ ...fields, reason: error?.message, ...error?.detail }, 'request failed');
    } else deps.log.info(fields, 'request finished');
  }

  #headers(contentType: string | undefined, extra: Headers | undefined): Headers {
    const headers: Headers = {
      'x-request-id': this.id,
      'openai-version': OPENAI_VERSION,
      'openai-processing-ms': String(Math.round(this.deps.clock.nowMs() - this.startedMs)),
    };
    if (contentType !== undefined) headers['content-type'] = contentType;
    if (this.priority !== undefined) headers['x-hearth-priority'] = this.priority;
    if (this.priorityAsked !== undefined) headers['x-hearth-priority-asked'] = this.priorityAsked;
    if (this.seed !== undefined) headers['x-hearth-seed'] = String(this.seed);
    if (this.rate !== undefined) Object.assign(headers, rateHeaders(this.rate));
    if (this.ignored.length > 0) headers['x-hearth-ignored'] = this.ignored.join(', ');
    if (this.origin !== undefined) {
      headers['access-control-allow-origin'] = this.origin;
      headers['access-control-expose-headers'] = EXPOSED;
      headers.vary = 'Origin';
    }
    if (extra !== undefined) Object.assign(headers, extra);
    return headers;
  }
}

/** For the log and the client alike: the answer was wanted no longer. */
export function clientLeft(): RequestError {
  return new RequestError(
    'client_closed_request',
    'The client left before its answer was complete',
  );
}
