/**
 * The configuration as the program reads it: our names, milliseconds, absolute paths, frozen.
 *
 * Paths   a relative path in a file starts at the file's folder, elsewhere at the working folder;
 *         `~/` is the home folder. The platform's folders come in as values.
 */
import { isAbsolute, join, resolve } from 'node:path';

import type { RequestDefaults } from '../core/engine.ts';
import { BugError } from '../core/errors.ts';
import type { ApiKey } from '../core/gate.ts';
import type { LogLevel } from '../core/log.ts';
import type { Priority } from '../core/priority.ts';
import type { RateLimits } from '../core/tenant.ts';
import type { FileConfig } from './schema.ts';

type FileModel = FileConfig['models'][string];

export interface ModelConfig {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly backend?: 'llama-cpp' | 'mlx' | 'fake' | undefined;
  readonly slots?: number | undefined;
  readonly highSpare?: number | undefined;
  readonly replicas?: number | undefined;
  readonly recycle: RecycleConfig;
  /** Per slot. */
  readonly contextTokens?: number | undefined;
  readonly threads?: 'auto' | number | undefined;
  readonly preload?: boolean | undefined;
  /** Infinite: for ever. */
  readonly keepAliveMs?: number | undefined;
  readonly pin?: boolean | undefined;
  readonly gpu?: FileModel['gpu'];
  readonly defaults: RequestDefaults;
}

export interface RecycleConfig {
  readonly afterMs?: number;
  readonly afterRequests?: number;
  readonly aboveBytes?: number;
  readonly driftBytes?: number;
}

export interface Config {
  readonly server: {
    readonly hosts: readonly string[];
    readonly port: number;
    readonly adminPort: number;
    readonly allowedHosts: readonly string[];
    readonly allowedOrigins: readonly string[];
    readonly listenBacklog: number;
    readonly headersTimeoutMs: number;
    readonly bodyTimeoutMs: number;
    readonly requestDeadlineMs: number;
    readonly waitingHeaderMs: number;
    readonly commentIntervalMs: number;
    readonly slowReaderMs: number;
    readonly strict: boolean;
  };
  readonly limits: {
    readonly bodyMaxBytes: number;
    readonly schemaMaxBytes: number;
    readonly schemaMaxDepth: number;
    readonly memoryBudgetBytes: number;
    readonly queueDepthMax: number;
    readonly queueDepthHighSpare: number;
    readonly queueDepthWarn: number;
    readonly queueTimeoutMs: Readonly<Record<Priority, number>>;
    readonly weights: Readonly<Record<Priority, number>>;
    readonly agedAfterMs: Readonly<Record<Priority, number>>;
  };
  /** Empty where they are switched off. */
  readonly rateLimits: {
    /** Of a caller who has none of his own. */
    readonly each: RateLimits;
    readonly all: RateLimits;
    readonly burstWindowMs: number;
  };
  readonly modelDefaults: {
    readonly slots: number;
    readonly highSpare: number;
    readonly replicas: number;
    readonly recycle: RecycleConfig;
    readonly contextTokens: number;
    readonly threads: 'auto' | number;
    readonly preload: boolean;
    /** Infinite: for ever. */
    readonly keepAliveMs: number;
    readonly gpu: FileConfig['model_defaults']['gpu'];
  };
  /** In the order of the file: the first one is the default. */
  readonly models: readonly ModelConfig[];
  readonly keys: readonly ApiKey[];
  readonly paths: { readonly stateDir: string; readonly modelsDir: string };
  readonly log: { readonly level: LogLevel };
  readonly worker: {
    readonly startTimeoutMs: number;
    readonly loadTimeoutMs: number;
    readonly drainTimeoutMs: number;
    readonly killTimeoutMs: number;
    readonly heartbeatIntervalMs: number;
    readonly heartbeatMisses: number;
    readonly heartbeatDependent: boolean;
    readonly silenceLimitMs: number;
    readonly stepFloorMs: number;
    readonly restartMax: number;
    readonly restartPeriodMs: number;
    readonly probeAfterMs: number;
    readonly llamaPath: FileConfig['worker']['llama_path'];
  };
}

/** The folders that the platform gives a program. Made in `cli/paths.ts`. */
export interface Folders {
  readonly homeDir: string;
  readonly workDir: string;
  readonly configDir: string;
  readonly stateDir: string;
  readonly modelsDir: string;
}

/** `folderOf` names the folder that relative paths of a key start at. */
export function toConfig(
  file: FileConfig,
  folders: Folders,
  folderOf: (keyPath: string) => string,
): Config {
  const { server, limits, rate_limit: rateLimit, model_defaults: modelDefaults, worker } = file;
  const absolute = (text: string, keyPath: string) =>
    absolutePath(text, { homeDir: folders.homeDir, baseDir: folderOf(keyPath) });
  return deepFreeze({
    server: {
      hosts: toHosts(server.host),
      port: server.port,
      adminPort: server.admin_port,
      allowedHosts: server.allowed_hosts,
      allowedOrigins: server.allowed_origins,
      listenBacklog: server.listen_backlog,
      headersTimeoutMs: toMs(server.headers_timeout_s),
      bodyTimeoutMs: toMs(server.body_timeout_s),
      requestDeadlineMs: toMs(filled(server.request_deadline_s)),
      waitingHeaderMs: toMs(server.waiting_headers_s),
      commentIntervalMs: toMs(server.waiting_comment_s),
      slowReaderMs: toMs(server.slow_reader_s),
      strict: server.strict,
    },
    limits: {
      bodyMaxBytes: limits.body_max_bytes,
      schemaMaxBytes: limits.schema_max_bytes,
      schemaMaxDepth: limits.schema_max_depth,
      memoryBudgetBytes: filled(limits.memory_budget_bytes),
      queueDepthMax: limits.queue_depth_max,
      queueDepthHighSpare: limits.queue_depth_high_spare,
      queueDepthWarn: limits.queue_depth_warn ?? Math.ceil(limits.queue_depth_max / 2),
      queueTimeoutMs: {
        high: toMs(limits.queue_timeout_high_s),
        normal: toMs(limits.queue_timeout_normal_s),
        low: toMs(limits.queue_timeout_low_s),
      },
      weights: { high: limits.weight_high, normal: limits.weight_normal, low: limits.weight_low },
      agedAfterMs: {
        high: toMs(limits.aged_after_high_s ?? Math.min(2, limits.queue_timeout_high_s / 2)),
        normal: toMs(limits.aged_after_normal_s ?? Math.min(10, limits.queue_timeout_normal_s / 2)),
        low: toMs(limits.aged_after_low_s ?? Math.min(30, limits.queue_timeout_low_s / 2)),
      },
    },
    rateLimits: toRateLimits(rateLimit),
    modelDefaults: {
      slots: filled(modelDefaults.slots),
      highSpare: modelDefaults.high_spare,
      replicas: modelDefaults.replicas,
      recycle: toRecycle(modelDefaults),
      contextTokens: filled(modelDefaults.context_tokens),
      threads: modelDefaults.threads,
      preload: modelDefaults.preload,
      keepAliveMs: keepAliveMs(filled(modelDefaults.keep_alive_s)),
      gpu: modelDefaults.gpu,
    },
    models: Object.entries(file.models).map(([name, model]) =>
      toModel(name, model, absolute(model.path, `models.${name}.path`)),
    ),
    keys: file.keys.map(toApiKey),
    paths: {
      stateDir: absolute(file.paths.state_dir ?? folders.stateDir, 'paths.state_dir'),
      modelsDir: absolute(file.paths.models_dir ?? folders.modelsDir, 'paths.models_dir'),
    },
    log: { level: file.log.level },
    worker: {
      startTimeoutMs: toMs(worker.start_timeout_s),
      loadTimeoutMs: toMs(filled(worker.load_timeout_s)),
      drainTimeoutMs: toMs(worker.drain_timeout_s),
      killTimeoutMs: toMs(worker.kill_timeout_s),
      heartbeatIntervalMs: worker.heartbeat_interval_ms,
      heartbeatMisses: worker.heartbeat_misses,
      heartbeatDependent: worker.heartbeat_dependent,
      silenceLimitMs: toMs(worker.silence_limit_s),
      stepFloorMs: toMs(worker.step_timeout_s),
      restartMax: worker.restart_max,
      restartPeriodMs: toMs(worker.restart_period_s),
      probeAfterMs: toMs(worker.probe_after_s),
      llamaPath: worker.llama_path,
    },
  });
}

export function absolutePath(
  text: string,
  { homeDir, baseDir }: { readonly homeDir: string; readonly baseDir: string },
): string {
  if (text === '~' || text.startsWith('~/')) return join(homeDir, text.slice(1));
  return isAbsolute(text) ? resolve(text) : resolve(baseDir, text);
}

function toModel(name: string, model: FileModel, path: string): ModelConfig {
  const { defaults } = model;
  const sampling = {
    temperature: defaults.temperature,
    topP: defaults.top_p,
    topK: defaults.top_k,
    minP: defaults.min_p,
    frequencyPenalty: defaults.frequency_penalty,
    presencePenalty: defaults.presence_penalty,
    repeatPenalty: defaults.repeat_penalty,
    ignoreEos: defaults.ignore_eos,
    maxTokens: defaults.max_tokens,
  };
  return {
    name,
    path,
    backend: model.backend,
    slots: model.slots,
    highSpare: model.high_spare,
    replicas: model.replicas,
    recycle: toRecycle(model),
    contextTokens: model.context_tokens,
    threads: model.threads,
    preload: model.preload,
    keepAliveMs: model.keep_alive_s && keepAliveMs(model.keep_alive_s),
    pin: model.pin,
    gpu: model.gpu,
    // A default that is present and undefined would hide the project's own when spread over it.
    defaults: Object.fromEntries(
      Object.entries(sampling).filter(([, value]) => value !== undefined),
    ) as RequestDefaults,
  };
}

/** `sha256` is that of the key; also for what `hearth key add` was told. */
export function toApiKey(key: FileConfig['keys'][number]): ApiKey {
  return {
    name: key.name,
    sha256: key.sha256,
    priorityMax: key.priority_max,
    limits: {
      requestsPerMinute: key.requests_per_minute,
      burst: key.burst,
      tokensPerMinute: key.tokens_per_minute,
      tokensPerDay: key.tokens_per_day,
      concurrencyMax: key.concurrency_max,
    },
    models: key.models.includes('*') ? undefined : key.models,
    isAdmin: key.admin,
    expiresMs: key.expires_at === undefined ? undefined : Date.parse(key.expires_at),
  };
}

function toRateLimits(limits: FileConfig['rate_limit']): Config['rateLimits'] {
  const burstWindowMs = toMs(limits.burst_window_s);
  if (!limits.enabled) return { each: {}, all: {}, burstWindowMs };
  return {
    each: {
      requestsPerMinute: limits.requests_per_minute,
      burst: limits.burst,
      tokensPerMinute: limits.tokens_per_minute,
    },
    all: {
      requestsPerMinute: limits.all_requests_per_minute,
      tokensPerMinute: limits.all_tokens_per_minute,
    },
    burstWindowMs,
  };
}

/** `localhost` stands for both loopback addresses: which one it means differs between machines. */
function toHosts(host: string | readonly string[]): readonly string[] {
  const names = typeof host === 'string' ? [host] : host;
  return [
    ...new Set(names.flatMap((name) => (name === 'localhost' ? ['127.0.0.1', '::1'] : [name]))),
  ];
}

/** Absent ones are left out: they would hide the defaults when spread over them. */
function toRecycle(from: {
  readonly recycle_after_s?: number | undefined;
  readonly recycle_after_requests?: number | undefined;
  readonly recycle_above_bytes?: number | undefined;
  readonly recycle_drift_bytes?: number | undefined;
}): RecycleConfig {
  const recycle = {
    afterMs: optionalMs(from.recycle_after_s),
    afterRequests: from.recycle_after_requests,
    aboveBytes: from.recycle_above_bytes,
    driftBytes: from.recycle_drift_bytes,
  };
  return Object.fromEntries(Object.entries(recycle).filter(([, value]) => value !== undefined));
}

function optionalMs(timeS: number | undefined): number | undefined {
  return timeS === undefined ? undefined : toMs(timeS);
}

function keepAliveMs(timeS: number | 'forever'): number {
  return timeS === 'forever' ? Number.POSITIVE_INFINITY : toMs(timeS);
}

/** A key that the tier fills before the schema sees it (`tiers.ts`). */
function filled<T>(value: T | undefined): T {
  if (value === undefined) throw new BugError('a key whose default is by tier has no value');
  return value;
}

function toMs(timeS: number): number {
  return Math.round(timeS * 1000);
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null) deepFreeze(child);
  }
  return Object.freeze(value);
}
