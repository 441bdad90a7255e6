/**
 * Every failure the server can name.
 *
 * The class says who must act. The code says what happened. Match on `code`,
 * not on the class or the message: an error that crossed a process boundary
 * was rebuilt from plain data.
 *
 *   RequestError   the caller must change the request
 *   CapacityError  the caller may send the same request later
 *   WorkerError    the operator must look at a worker, its model or its limits
 *   BugError       we must fix the code
 *
 * `docs/errors.md` is generated from CATALOGUE; `api/error-response.ts` knows the HTTP status of
 * each code, and this file knows no HTTP.
 */

type Who = 'request' | 'capacity' | 'worker' | 'bug';

interface Entry {
  readonly who: Who;
  /** What happened, for the documentation. */
  readonly means: string;
  /** What the reader can do about it. */
  readonly remedy: string;
}

export const CATALOGUE = {
  invalid_json: {
    who: 'request',
    means: 'The body is not one JSON object that can be read without guessing.',
    remedy: 'Send a JSON object without duplicate keys, lone surrogates or integers past 2^53.',
  },
  missing_required_parameter: {
    who: 'request',
    means: 'A parameter that the route needs is absent.',
    remedy: 'Add the parameter that `param` names.',
  },
  invalid_type: {
    who: 'request',
    means: 'A parameter has the wrong JSON type.',
    remedy: 'Change the type of the parameter that `param` names.',
  },
  invalid_value: {
    who: 'request',
    means: 'A parameter has a value outside its range or set.',
    remedy: 'Use a value from the range or set that the message gives.',
  },
  unsupported_parameter: {
    who: 'request',
    means: 'The parameter is known, and this server or model cannot honour it.',
    remedy: 'Leave the parameter out or send its neutral value; nothing is silently ignored.',
  },
  unsupported_schema: {
    who: 'request',
    means:
      'The answer that is asked for cannot be enforced; the message names the keyword and where it stands.',
    remedy:
      'Change the keyword that the message names; `hearth schema explain FILE` shows what holds.',
  },
  invalid_priority: {
    who: 'request',
    means: '`X-Priority` or `priority` is not high, normal, low, 0, 1 or 2.',
    remedy: 'Use one of these values, or leave the field out for normal.',
  },
  context_length_exceeded: {
    who: 'request',
    means: 'The prompt, and what was asked to be generated, do not fit into the context of a slot.',
    remedy: 'Shorten the prompt, or raise `context_tokens` of the model.',
  },
  invalid_api_key: {
    who: 'request',
    means: 'The server needs an API key, and the request has none, an unknown or a revoked one.',
    remedy: 'Send `Authorization: Bearer KEY`; `hearth key add NAME` on the server makes a key.',
  },
  key_expired: {
    who: 'request',
    means: 'The API key was good until a time that has passed.',
    remedy: 'Use another key, or make one with `hearth key add NAME`.',
  },
  admin_key_required: {
    who: 'request',
    means: 'The admin port takes keys with `admin = true` only.',
    remedy: 'Use such a key, or make one with `hearth key add NAME --admin`.',
  },
  model_not_allowed: {
    who: 'request',
    means: 'The API key may use other models only.',
    remedy: 'Choose a name from `GET /v1/models`, or give the key the model.',
  },
  host_not_allowed: {
    who: 'request',
    means: 'The Host header names neither this machine nor a configured host.',
    remedy: 'Use localhost, or add the name to `[server] allowed_hosts`.',
  },
  origin_not_allowed: {
    who: 'request',
    means: 'A web page of an origin that is not listed tried to use the server.',
    remedy: 'Add the origin to `[server] allowed_origins` if the page is yours.',
  },
  not_found: {
    who: 'request',
    means: 'No route has this path.',
    remedy: 'Compare the path with `GET /openapi.json`.',
  },
  model_not_found: {
    who: 'request',
    means: 'No model of this name is configured.',
    remedy: 'Choose a name from `GET /v1/models`.',
  },
  worker_not_found: {
    who: 'request',
    means: 'No worker has this id or pid.',
    remedy: 'See `hearth ps` or `GET /admin/workers`.',
  },
  invalid_configuration: {
    who: 'request',
    means:
      'The configuration was to be read again and has an error; the server goes on with the one before.',
    remedy: 'Mend what the message names, and see `hearth config check`.',
  },
  pull_refused: {
    who: 'request',
    means:
      'The model cannot be pulled: it is not there, not for you, of a kind that is not fetched, or there is no room.',
    remedy: 'Do what the message says; the same request will be refused again.',
  },
  method_not_allowed: {
    who: 'request',
    means: 'The path exists, with other methods.',
    remedy: 'Use a method from the `Allow` header.',
  },
  length_required: {
    who: 'request',
    means: 'A body came without Content-Length or chunked encoding.',
    remedy: 'Send a Content-Length header.',
  },
  body_too_large: {
    who: 'request',
    means: 'The body is larger than `[limits] body_max_bytes`.',
    remedy: 'Send less, or raise the limit.',
  },
  payload_too_large: {
    who: 'request',
    means:
      'The prompt takes more than 64 MiB on its way to a worker, or more than 8 MiB where it is to be echoed.',
    remedy: 'Send a shorter prompt.',
  },
  unsupported_media_type: {
    who: 'request',
    means: 'The body is not application/json, or its encoding is not known.',
    remedy: 'Send `Content-Type: application/json`, uncompressed, gzip or zstd.',
  },
  headers_too_large: {
    who: 'request',
    means: 'The request headers are larger than 64 KiB.',
    remedy: 'Send fewer or shorter headers.',
  },
  client_closed_request: {
    who: 'request',
    means: 'The client left before its answer was complete. Seen in logs and metrics only.',
    remedy: 'Nothing: the slot is free again.',
  },
  queue_timeout: {
    who: 'capacity',
    means: 'The request waited for a slot until the deadline of its class.',
    remedy: 'Try again after the time in `Retry-After`, or raise `queue_timeout_…_s`.',
  },
  rate_limited: {
    who: 'capacity',
    means: 'More was asked for within a minute, or at once, than `[rate_limit]` or the key allows.',
    remedy: 'Try again after the time in `Retry-After`: then it is let in, if nobody else came.',
  },
  key_quota_exceeded: {
    who: 'capacity',
    means: 'The request may need more tokens than are left of what the key may use in a day.',
    remedy: 'Ask for fewer `max_tokens`, or come back after the time in `Retry-After`.',
  },
  queue_full: {
    who: 'capacity',
    means:
      'As many requests run and wait as `[limits] queue_depth_max` allows; a few of the class high are not counted.',
    remedy: 'Try again after the time in `Retry-After`.',
  },
  model_loading: {
    who: 'capacity',
    means: 'The model is being loaded and the request could not wait for it.',
    remedy: 'Try again after the time in `Retry-After`.',
  },
  insufficient_memory: {
    who: 'capacity',
    means:
      'The model does not fit into the memory that is left, also after unused models went for it.',
    remedy:
      'Come back when other models are idle, unload one, lower `slots` or `context_tokens`, or raise `memory_budget_bytes`.',
  },
  pull_failed: {
    who: 'capacity',
    means: 'The hub cannot be reached, or sent something else than it has promised.',
    remedy: 'Send the request again: it goes on where it was.',
  },
  draining: {
    who: 'capacity',
    means: 'The server is shutting down and takes no new work.',
    remedy: 'Send the request again once the server is back.',
  },
  model_failed: {
    who: 'capacity',
    means: 'The model could not be loaded, or its worker died too often.',
    remedy:
      'See `/ready` and the log for the reason and mend the file: it is looked at every second. A model whose worker died is tried again by itself; `Retry-After` says when.',
  },
  worker_crashed: {
    who: 'worker',
    means: 'The worker process died while it worked on the request.',
    remedy: 'See the log for the end of the worker; a new one is started by itself.',
  },
  worker_protocol: {
    who: 'worker',
    means: 'The worker sent something that is not of the protocol and was killed.',
    remedy:
      'Report it: worker and server are of different builds, or a library wrote to the channel.',
  },
  payload_damaged: {
    who: 'worker',
    means: 'A large prompt was not read by its worker as it was written into shared memory.',
    remedy:
      'Send the request again. If it comes back, another program writes to the file, or the memory of the machine is at fault.',
  },
  worker_hung: {
    who: 'worker',
    means: 'The worker made no progress within its limit and was killed.',
    remedy: 'See the log; lower `context_tokens` or choose a smaller model if the machine swaps.',
  },
  deadline_exceeded: {
    who: 'request',
    means: 'The request took longer than `[server] request_deadline_s`, waiting included.',
    remedy: 'Ask for fewer tokens, or raise the deadline.',
  },
  slow_reader: {
    who: 'request',
    means: 'The client did not read its stream for 30 s, and the stream was cut.',
    remedy: 'Read the stream while it is written.',
  },
  internal: {
    who: 'bug',
    means: 'A fault of Hearth itself.',
    remedy: 'Report it with the request id; the log has the details.',
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof CATALOGUE;
type CodeOf<W extends Who> = {
  [C in ErrorCode]: (typeof CATALOGUE)[C]['who'] extends W ? C : never;
}[ErrorCode];
export type RequestCode = CodeOf<'request'>;
export type CapacityCode = CodeOf<'capacity'>;
export type WorkerCode = CodeOf<'worker'>;

/** Facts for the log and the caller. Never prompts, never secrets. */
export type Detail = Readonly<Record<string, string | number>>;

interface Options extends ErrorOptions {
  readonly detail?: Detail;
}

/** The plain form that crosses the channel; `cause` and `stack` stay where they are. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  /** The request parameter at fault, as the client wrote it. */
  readonly param?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly detail?: Detail | undefined;
}

export class HearthError extends Error {
  override name = 'HearthError';
  readonly code: ErrorCode;
  readonly detail: Detail;
  readonly param: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    { detail = {}, param, ...options }: Options & { readonly param?: string | undefined } = {},
  ) {
    super(message, options);
    this.code = code;
    this.detail = detail;
    this.param = param;
  }

  /** True when the same request can succeed later, unchanged. */
  get retryable(): boolean {
    return false;
  }

  toJSON(): WireError {
    return {
      code: this.code,
      message: this.message,
      ...(this.param === undefined ? {} : { param: this.param }),
      ...(Object.keys(this.detail).length === 0 ? {} : { detail: this.detail }),
    };
  }
}

export class RequestError extends HearthError {
  override name = 'RequestError';
  constructor(
    code: RequestCode,
    message: string,
    options?: Options & { readonly param?: string | undefined },
  ) {
    super(code, message, options);
  }
}

export class CapacityError extends HearthError {
  override name = 'CapacityError';
  /** Undefined when no time helps: the model has failed and no restart is planned. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: CapacityCode,
    message: string,
    { retryAfterMs, ...options }: Options & { readonly retryAfterMs: number | undefined },
  ) {
    super(code, message, options);
    this.retryAfterMs = retryAfterMs;
  }

  override get retryable(): boolean {
    return this.retryAfterMs !== undefined;
  }

  override toJSON(): WireError {
    return {
      ...super.toJSON(),
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    };
  }
}

/** Not retryable by the caller: the same prompt may be what killed the worker. */
export class WorkerError extends HearthError {
  override name = 'WorkerError';
  constructor(code: WorkerCode, message: string, options?: Options) {
    super(code, message, options);
  }
}

export class BugError extends HearthError {
  override name = 'BugError';
  constructor(message: string, options?: Options) {
    super('internal', message, options);
  }
}

/** Keeps a HearthError as it is and wraps anything else, so every catch has one type. */
export function toHearthError(error: unknown): HearthError {
  if (error instanceof HearthError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BugError(message, { cause: error });
}

/** Rebuilds the error that a WireError was made from, with the class that its code implies. */
export function fromWireError({
  code,
  message,
  param,
  retryAfterMs,
  detail = {},
}: WireError): HearthError {
  switch (CATALOGUE[code].who) {
    case 'request':
      return new RequestError(code as RequestCode, message, { detail, param });
    case 'capacity':
      return new CapacityError(code as CapacityCode, message, { detail, retryAfterMs });
    case 'worker':
      return new WorkerError(code as WorkerCode, message, { detail });
    case 'bug':
      return new BugError(message, { detail });
  }
}
