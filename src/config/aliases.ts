/**
 * Environment variables with short names: Hearth's own, and those of the MLX server that Hearth
 * replaces, each also under its `HEARTH_` name (row SP-078; times of the old server are seconds).
 * One whose part is not built yet is refused by name when it is set to anything but its neutral
 * value. The variable of the section and key (`HEARTH_LIMITS_QUEUE_DEPTH_MAX`) wins over an alias.
 */

export interface Alias {
  readonly name: string;
  /** Key that the variable sets. Undefined: not built. */
  readonly key?: string | undefined;
  /** What is missing, for one that is refused. */
  readonly missing?: string | undefined;
  /** A folder inside the named one, for a variable whose folder belongs to others too. */
  readonly subfolder?: string | undefined;
}

/** The key that `hearth chat`, `models` and `bench` send: no setting, and in no command line. */
export const API_KEY_VARIABLE = 'HEARTH_API_KEY';

/** Values that ask for nothing: accepted also where the part is not built. */
export const NEUTRAL: readonly string[] = ['', '0', 'false', 'no', 'off'];

const OLD: readonly Alias[] = [
  { name: 'REQUEST_TIMEOUT', key: 'server.request_deadline_s' },
  { name: 'MODEL_LOAD_TIMEOUT', key: 'worker.load_timeout_s' },
  { name: 'MAX_CONCURRENT_REQUESTS', key: 'model_defaults.slots' },
  { name: 'ADMIN_PORT', key: 'server.admin_port' },
  { name: 'GRACEFUL_SHUTDOWN_TIMEOUT', key: 'worker.drain_timeout_s' },
  { name: 'QUEUE_REJECT_THRESHOLD', key: 'limits.queue_depth_max' },
  { name: 'QUEUE_TIMEOUT_HIGH', key: 'limits.queue_timeout_high_s' },
  { name: 'QUEUE_TIMEOUT_NORMAL', key: 'limits.queue_timeout_normal_s' },
  { name: 'QUEUE_TIMEOUT_LOW', key: 'limits.queue_timeout_low_s' },
  // The old server warned at it and refused at the threshold above.
  { name: 'QUEUE_MAX_DEPTH', key: 'limits.queue_depth_warn' },
  { name: 'IDLE_TIMEOUT', key: 'model_defaults.keep_alive_s' },
  {
    name: 'LOG_DIR',
    missing: 'logging to files is not built yet; Hearth logs to stderr, send that to a file',
  },
  { name: 'USE_STDIO', missing: 'the stdio transport to workers is not built yet' },
  { name: 'RATE_LIMIT_ENABLED', key: 'rate_limit.enabled' },
  { name: 'RATE_LIMIT_RPM', key: 'rate_limit.requests_per_minute' },
  { name: 'RATE_LIMIT_BURST', key: 'rate_limit.burst' },
];

const OWN: readonly Alias[] = [
  { name: 'HEARTH_STATE_DIR', key: 'paths.state_dir' },
  { name: 'HEARTH_MODELS_DIR', key: 'paths.models_dir' },
  { name: 'HEARTH_LLAMA_PATH', key: 'worker.llama_path' },
  { name: 'HEARTH_TIER', key: 'tier.memory_gb' },
  // Hugging Face's cache: the folder is shared with other programs, so ours is one inside it.
  { name: 'HF_HOME', key: 'paths.models_dir', subfolder: 'hearth' },
];

/** Hearth's own names first: they win over the old ones. */
export const ALIASES: readonly Alias[] = [
  ...OWN,
  ...OLD.map((alias) => ({ ...alias, name: `HEARTH_${alias.name}` })),
  ...OLD.map((alias) => ({ ...alias, name: `MLX_${alias.name}` })),
];
