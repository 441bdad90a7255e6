/**
 * What happens around every handler, on every route, errors included: Host and Origin, the API key,
 * the error shape, one log line and one metric at the end.
 *
 * One wrapper instead of a chain of middleware: Hono calls a single handler without composing
 * promises, and a handler that answers at once stays synchronous down to the socket.
 */
import { type HearthError, RequestError, toHearthError } from '../core/errors.ts';
import { refuseKeyInUrl, secretOf } from './credentials.ts';
import type { ApiContext, ApiDeps } from './deps.ts';
import { statusOf } from './error-response.ts';
import { Exchange, type Headers } from './exchange.ts';
import { Guard } from './guard.ts';

export type Handler = (exchange: Exchange) => Response | Promise<Response>;

export interface RouteOptions {
  /** Probes and scrapes are logged at debug level. */
  readonly isProbe?: boolean;
  /** Needs no key: whether the process lives is no secret. */
  readonly isOpen?: boolean;
  readonly isForAdmin?: boolean;
}

export class Pipeline {
  readonly #deps: ApiDeps;
  readonly #guard: Guard;

  constructor(deps: ApiDeps) {
    this.#deps = deps;
    this.#guard = new Guard(deps.settings);
  }

  route(route: string, handler: Handler, options: RouteOptions = {}) {
    return (c: ApiContext): Response | Promise<Response> => {
      const exchange = new Exchange(this.#deps, c, route);
      exchange.isProbe = options.isProbe ?? false;
      try {
        const answered =
          this.#guard.check(exchange) ?? this.#identified(exchange, options, handler);
        if (!(answered instanceof Promise)) return finished(exchange, answered);
        return answered.then(
          (response) => finished(exchange, response),
          (error: unknown) => failed(exchange, error),
        );
      } catch (error) {
        return failed(exchange, error);
      }
    };
  }

  #identified(
    exchange: Exchange,
    { isOpen = false, isForAdmin = false }: RouteOptions,
    handler: Handler,
  ): Response | Promise<Response> {
    const { gate } = this.#deps;
    refuseKeyInUrl(exchange);
    // Clients send a key also where none is needed; what it is does not matter then.
    const secret = gate.isOpen ? undefined : secretOf(exchange);
    if (!isOpen || secret !== undefined || gate.isOpen) exchange.caller = gate.identify(secret);
    if (isForAdmin && !isOpen && !exchange.knownCaller.isAdmin) {
      const name = JSON.stringify(exchange.knownCaller.name);
      throw new RequestError(
        'admin_key_required',
        `The API key ${name} may not use the admin port; it takes keys with \`admin = true\` only`,
      );
    }
    return handler(exchange);
  }
}

function finished(exchange: Exchange, response: Response): Response {
  if (!exchange.isStreaming) exchange.finish(response.status);
  return response;
}

function failed(exchange: Exchange, reason: unknown): Response {
  const error = toHearthError(reason);
  exchange.isStreaming = false;
  // The name a client made up must not become a label.
  if (error.code === 'model_not_found') exchange.model = 'unknown';
  const response = exchange.error(error, headersOf(error));
  exchange.finish(statusOf(error), error);
  return response;
}

/** RFC 9110 §15.5.2 and §15.5.6. */
function headersOf(error: HearthError): Headers | undefined {
  if (error.code === 'method_not_allowed') return { allow: String(error.detail.allow) };
  return statusOf(error) === 401 ? { 'www-authenticate': 'Bearer realm="hearth"' } : undefined;
}
