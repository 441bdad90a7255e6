/**
 * Whether the process lives (`/health`), whether a model can answer (`/ready`), and the same with
 * everything known for the operator (`/admin/health`). Row MX-068.
 */
import type { ModelInfo } from '../../core/engine.ts';
import { CapacityError } from '../../core/errors.ts';
import { errorBody, retryHeaders, statusOf } from '../error-response.ts';
import type { Exchange } from '../exchange.ts';
import { modelState } from './models.ts';

/** When a probe of a loading model may come again. */
const PROBE_AGAIN_MS = 1000;

export function root(exchange: Exchange): Response {
  return exchange.respond(
    200,
    'Hearth is running. Clients use /v1, the description is /openapi.json.\n',
    'text/plain; charset=utf-8',
  );
}

export function health(exchange: Exchange): Response {
  return exchange.respond(200, '{"status":"ok"}', 'application/json');
}

export function ready(exchange: Exchange): Response {
  const models = exchange.deps.engine.models();
  // Names, reasons and paths are for those who have a key.
  const isKnown = exchange.caller !== undefined;
  // Readiness is of the whole server; a caller sees the models that its key may use.
  const visible = isKnown ? exchange.models : [];
  const states = isKnown
    ? { models: visible.map((model) => ({ name: model.name, ...modelState(model) })) }
    : {};
  if (canServe(models)) {
    return exchange.json(200, { status: 'ready', ...states });
  }
  const error = whyNotReady(models, visible);
  const body = { ...errorBody(error, exchange.id), status: 'not_ready', ...states };
  return exchange.json(statusOf(error), body, retryHeaders(error));
}

export function adminHealth(exchange: Exchange): Response {
  const models = exchange.deps.engine.models();
  return exchange.json(200, {
    status: 'ok',
    ready: canServe(models),
    uptime_s: Math.round(process.uptime()),
    node: process.version,
    rss_bytes: process.memoryUsage.rss(),
    models: models.map((model) => ({
      name: model.name,
      backend: model.backend,
      ...(model.description === undefined ? {} : { description: model.description }),
      slots: model.slots,
      context_tokens: model.contextTokens,
      ...modelState(model),
    })),
  });
}

/** One that is not loaded is loaded by its first request. */
function canServe(models: readonly ModelInfo[]): boolean {
  return models.some(({ state }) => state === 'ready' || state === 'unloaded');
}

/** Only the failures of `visible` are told. */
function whyNotReady(models: readonly ModelInfo[], visible: readonly ModelInfo[]): CapacityError {
  if (models.some(({ state }) => state === 'starting' || state === 'loading')) {
    return new CapacityError('model_loading', 'No model can answer yet: one is being loaded', {
      retryAfterMs: PROBE_AGAIN_MS,
    });
  }
  if (models.some(({ state }) => state === 'draining')) {
    return new CapacityError('draining', 'The server is shutting down', {
      retryAfterMs: undefined,
    });
  }
  const failed = visible
    .filter(({ state }) => state === 'failed')
    .map(({ name, reason }) => `${name}: ${reason ?? 'no reason known'}`);
  const why = failed.length === 0 ? '' : `: ${failed.join('; ')}`;
  return new CapacityError('model_failed', `No model can answer${why}`, {
    retryAfterMs: undefined,
  });
}
