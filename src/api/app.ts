/**
 * The two applications: the public one and the admin one, under the same guards.
 *
 * A route has exactly one handler, wrapped by the pipeline. What no route takes is 404, or 405 with
 * `Allow` when the path exists, through the same pipeline.
 */
import { Hono } from 'hono';

import { RequestError, toHearthError } from '../core/errors.ts';
import type { ApiDeps, ApiEnv } from './deps.ts';
import { errorBody, statusOf } from './error-response.ts';
import type { Exchange } from './exchange.ts';
import { type Handler, Pipeline, type RouteOptions } from './pipeline.ts';
import { chatCompletions } from './routes/chat-completions.ts';
import { completions } from './routes/completions.ts';
import { adminHealth, health, ready, root } from './routes/health.ts';
import { getLog, putLog } from './routes/log.ts';
import { metricsText } from './routes/metrics.ts';
import { listModels, oneModel } from './routes/models.ts';
import { openapi } from './routes/openapi.ts';
import {
  adminWorkers,
  drainServer,
  loadModel,
  recycleModel,
  stopWorker,
  unloadModel,
} from './routes/operate.ts';
import { pullModel } from './routes/pull.ts';
import { adminQueue } from './routes/queue.ts';
import { reloadConfiguration } from './routes/reload.ts';

export type App = Hono<ApiEnv>;

interface Route extends RouteOptions {
  readonly method: 'get' | 'post' | 'put';
  /** Hono's pattern. */
  readonly path: string;
  /** How logs and metrics call it, when that is not the pattern. */
  readonly label?: string;
  readonly handler: Handler;
}

const PROBE = { isProbe: true } as const;
const OPEN_PROBE = { isProbe: true, isOpen: true } as const;

const SHARED: readonly Route[] = [
  { method: 'get', path: '/', handler: root, ...OPEN_PROBE },
  { method: 'get', path: '/health', handler: health, ...OPEN_PROBE },
  { method: 'get', path: '/metrics', handler: metricsText, ...PROBE },
];

const PUBLIC: readonly Route[] = [
  ...SHARED,
  { method: 'get', path: '/ready', handler: ready, ...OPEN_PROBE },
  { method: 'get', path: '/openapi.json', handler: openapi },
  { method: 'get', path: '/v1/models', handler: listModels },
  { method: 'get', path: '/v1/models/:id{.+}', label: '/v1/models/{id}', handler: oneModel },
  { method: 'post', path: '/v1/chat/completions', handler: chatCompletions },
  { method: 'post', path: '/v1/completions', handler: completions },
];

/** With a name that may hold slashes as the rest of the path. */
function post(path: string, name: string) {
  return { method: 'post', path: `${path}/:name{.+}`, label: `${path}/${name}` } as const;
}

const ADMIN: readonly Route[] = [
  ...SHARED,
  { method: 'get', path: '/admin/health', handler: adminHealth, ...PROBE },
  { method: 'get', path: '/admin/queue', handler: adminQueue },
  { method: 'get', path: '/admin/workers', handler: adminWorkers },
  { ...post('/admin/load', '{model}'), handler: loadModel },
  { ...post('/admin/unload', '{model}'), handler: unloadModel },
  { ...post('/admin/recycle', '{name}'), handler: recycleModel },
  { ...post('/admin/stop', '{worker}'), handler: stopWorker },
  { method: 'post', path: '/admin/models/pull', handler: pullModel },
  { method: 'post', path: '/admin/drain', handler: drainServer },
  { method: 'post', path: '/admin/reload', handler: reloadConfiguration },
  { method: 'get', path: '/admin/log', handler: getLog },
  { method: 'put', path: '/admin/log', handler: putLog },
];

export function createApp(deps: ApiDeps): App {
  return build(deps, PUBLIC, {});
}

export function createAdminApp(deps: ApiDeps): App {
  return build(deps, ADMIN, { isForAdmin: true });
}

function build(deps: ApiDeps, routes: readonly Route[], common: RouteOptions): App {
  const app: App = new Hono<ApiEnv>();
  const pipeline = new Pipeline(deps);
  for (const { method, path, label = path, handler, ...options } of routes) {
    app.on(method.toUpperCase(), path, pipeline.route(label, handler, { ...common, ...options }));
  }
  const isPath = routes.map(({ path, method }) => ({ method, test: matcher(path) }));
  const unrouted: Handler = (exchange) => {
    throw noRoute(exchange, (path) =>
      isPath.filter(({ test }) => test(path)).map(({ method }) => method),
    );
  };
  app.notFound(pipeline.route('other', unrouted, common));
  // The pipeline answers everything a handler throws; what comes here was thrown around it.
  app.onError((reason) => {
    const error = toHearthError(reason);
    const requestId = deps.newRequestId();
    deps.log.error({ requestId, err: reason }, 'request failed outside its handler');
    return new Response(JSON.stringify(errorBody(error, requestId)), {
      status: statusOf(error),
      headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    });
  });
  return app;
}

function noRoute(exchange: Exchange, methodsOf: (path: string) => readonly string[]): RequestError {
  const methods = methodsOf(exchange.c.req.path);
  if (methods.length === 0) {
    return new RequestError('not_found', 'No route has this path; see GET /openapi.json');
  }
  const allow = methods.flatMap((method) =>
    method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
  );
  return new RequestError('method_not_allowed', `This path knows ${allow.join(' and ')} only`, {
    detail: { allow: allow.join(', ') },
  });
}

/** The one pattern that is used besides plain paths is a rest parameter at the end. */
function matcher(path: string): (path: string) => boolean {
  const rest = path.indexOf(':');
  if (rest === -1) return (actual) => actual === path;
  const prefix = path.slice(0, rest);
  return (actual) => actual.startsWith(prefix) && actual.length > prefix.length;
}
