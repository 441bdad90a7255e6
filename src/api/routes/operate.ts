/**
 * What the operator sees and does, on the admin port: workers, loading, unloading, recycling, stopping,
 * draining the whole server. Rows MX-068 and SP-018.
 */
import type { ModelInfo } from '../../core/engine.ts';
import type { WorkerInfo } from '../../core/operator.ts';
import type { Exchange } from '../exchange.ts';
import { modelState } from './models.ts';

export function adminWorkers(exchange: Exchange): Response {
  return exchange.json(200, { workers: exchange.deps.operator.workers().map(workerBody) });
}

/** Answers when it is ready. */
export async function loadModel(exchange: Exchange): Promise<Response> {
  return answer(exchange, await exchange.deps.operator.load(nameOf(exchange)));
}

/** Answers when the worker is gone. */
export async function unloadModel(exchange: Exchange): Promise<Response> {
  return answer(exchange, await exchange.deps.operator.unload(nameOf(exchange)));
}

export async function recycleModel(exchange: Exchange): Promise<Response> {
  return answer(exchange, await exchange.deps.operator.recycle(nameOf(exchange)));
}

export async function stopWorker(exchange: Exchange): Promise<Response> {
  return answer(exchange, await exchange.deps.operator.stop(nameOf(exchange)));
}

/** As SIGTERM does: nothing new, what runs ends, then the process. */
export function drainServer(exchange: Exchange): Response {
  exchange.deps.drain();
  return exchange.json(202, { status: 'draining' });
}

/** The one parameter of the path; names may hold slashes, plain or escaped. */
function nameOf(exchange: Exchange): string {
  return exchange.c.req.param('name') ?? '';
}

function answer(exchange: Exchange, model: ModelInfo): Response {
  exchange.model = model.name;
  return exchange.json(200, { name: model.name, ...modelState(model) });
}

function workerBody({ id, model, pid, state, ageMs, active, served, heartbeat }: WorkerInfo) {
  return {
    id,
    model,
    pid: pid ?? null,
    state,
    age_s: Math.round(ageMs / 1000),
    active,
    served,
    heartbeat:
      heartbeat === undefined
        ? null
        : {
            age_ms: Math.round(heartbeat.ageMs),
            phase: heartbeat.phase,
            steps: heartbeat.steps,
            rss_bytes: heartbeat.rssBytes,
            threads: heartbeat.threads,
            gpu_bytes: heartbeat.gpuBytes,
            kv_used_tokens: heartbeat.kvUsedTokens,
          },
  };
}
