/**
 * What an error looks like on the wire: the only place that knows the HTTP status of a code.
 *
 * Shapes  `{"error":{"message","type","param","code"}}`, all four always there.
 * Source  OpenAI's `ErrorResponse`; openai-node's retry code, which obeys `x-should-retry` over the
 *         status and `retry-after-ms` over `retry-after`.
 */
import { BugError, CapacityError, type ErrorCode, type HearthError } from '../core/errors.ts';

export const STATUS = {
  invalid_json: 400,
  missing_required_parameter: 400,
  invalid_type: 400,
  invalid_value: 400,
  unsupported_parameter: 400,
  unsupported_schema: 400,
  invalid_priority: 400,
  context_length_exceeded: 400,
  invalid_api_key: 401,
  key_expired: 401,
  admin_key_required: 403,
  model_not_allowed: 403,
  host_not_allowed: 403,
  origin_not_allowed: 403,
  not_found: 404,
  model_not_found: 404,
  worker_not_found: 404,
  method_not_allowed: 405,
  invalid_configuration: 409,
  queue_timeout: 408,
  slow_reader: 408,
  length_required: 411,
  body_too_large: 413,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  key_quota_exceeded: 429,
  pull_refused: 422,
  headers_too_large: 431,
  client_closed_request: 499,
  internal: 500,
  worker_crashed: 502,
  worker_protocol: 502,
  payload_damaged: 502,
  queue_full: 503,
  model_loading: 503,
  insufficient_memory: 503,
  draining: 503,
  model_failed: 503,
  pull_failed: 503,
  worker_hung: 504,
  deadline_exceeded: 504,
} as const satisfies Record<ErrorCode, number>;

/** Statuses not listed are the caller's fault. */
const TYPE: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  408: 'timeout_error',
  429: 'rate_limit_error',
  500: 'server_error',
  502: 'worker_error',
  503: 'overloaded_error',
  504: 'worker_timeout',
};

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export function statusOf(error: HearthError): number {
  return STATUS[error.code];
}

export function errorType(code: ErrorCode): string {
  return TYPE[STATUS[code]] ?? 'invalid_request_error';
}

/** The text of a bug stays in the log: it may hold anything. */
export function errorBody(error: HearthError, requestId: string): ErrorBody {
  const message =
    error instanceof BugError
      ? `A fault of Hearth itself; report it with the request id ${requestId}`
      : error.message;
  return {
    error: { message, type: errorType(error.code), param: error.param ?? null, code: error.code },
  };
}

/**
 * When to come back. A request that already ran must not be sent again by a client's own retry loop
 * only because its status looks retryable, so every error says `x-should-retry`.
 */
export function retryHeaders(error: HearthError): Record<string, string> {
  const headers: Record<string, string> = { 'x-should-retry': String(error.retryable) };
  if (error instanceof CapacityError && error.retryAfterMs !== undefined) {
    const ms = Math.max(1, Math.ceil(error.retryAfterMs));
    headers['retry-after-ms'] = String(ms);
    headers['retry-after'] = String(Math.ceil(ms / 1000));
  }
  return headers;
}
