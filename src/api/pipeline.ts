/**
 * What happens around every handler, on every route, errors included: identity, Host and Origin,
 * the error shape, one log line and one metric at the end.
 *
 * One wrapper instead of a chain of middleware: Hono calls a single handler without composing
 * promises, and a handler that answers at once stays synchronous down to the socket.
 */
import { type HearthError, toHearthError } from '../core/errors.ts';
import type { ApiContext, ApiDeps } from './deps.ts';
import { statusOf } from './error-response.ts';
import { Exchange, type Headers } from './exchange.ts';
import { Guard } from './guard.ts';

export type Handler = (exchange: Exchange) => Response | Promise<Response>;

export interface RouteOptions {
  /** Probes and scrapes are logged at debug level. */
  readonly isProbe?: boolean;
}

export class Pipeline {
  readonly #deps: ApiDeps;
  readonly #guard: Guard;

  constructor(deps: ApiDeps) {
    this.#deps = deps;
    this.#guard = new Guard(deps.settings);
  }

  route(route: string, handler: Handler, { isProbe = false }: RouteOptions = {}) {
    return (c: ApiContext): Response | Promise<Response> => {
      const exchange = new Exchange(this.#deps, c, route);
      exchange.isProbe = isProbe;
      try {
        const answered = this.#guard.check(exchange) ?? handler(exchange);
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
  const response = exchange.error(error, allowHeader(error));
  exchange.finish(statusOf(error), error);
  return response;
}

function allowHeader({ code, detail }: HearthError): Headers | undefined {
  return code === 'method_not_allowed' ? { allow: String(detail.allow) } : undefined;
}
