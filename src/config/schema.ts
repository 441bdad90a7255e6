/**
 * The whole configuration as it stands in `hearth.toml`: every key, its range, its default and
 * what it does. This is the only place with defaults, but for those that depend on the memory of the
 * machine (`tiers.ts`); `config/hearth.example.toml`, `config/hearth.schema.json` and
 * `docs/configuration.md` are generated from both.
 *
 * Units   stand in the key: `_s`, `_ms`, `_bytes`, `_tokens`. `settings.ts` turns them into ours.
 * Errors  unknown keys are errors: a misspelt limit must not become a silent default. A key stands
 *         here only when something obeys it; what is planned is refused by name (`not-built.ts`).
 */
import { isIP } from 'node:net';

import * as z from 'zod';
import { ANYBODY } from '../core/gate.ts';
import { LOG_LEVELS } from '../core/log.ts';
import { MODEL_NAME, MODEL_NAME_RULE } from '../core/model-name.ts';
import { PRIORITIES } from '../core/priority.ts';
import { showByTier, TIERS_GB } from './tiers.ts';

const DAY_S = 86_400;

const GPUS = ['auto', 'metal', 'cuda', 'vulkan', 'off'] as const;
const BACKENDS = ['llama-cpp', 'mlx', 'fake'] as const;

const port = (byDefault: number, description: string) =>
  z.int().min(0).max(65_535).default(byDefault).describe(description);

const aTime = z.number().min(0.001).max(DAY_S);

const seconds = (byDefault: number, description: string) =>
  aTime.default(byDefault).describe(description);

/** The tier fills it where nobody else does. */
const byTier = <T extends z.ZodType>(schema: T, key: string, description: string) =>
  schema.optional().describe(`${description} Default by tier: ${showByTier(key)}.`);

const weight = (byDefault: number, description: string) =>
  z.number().min(0.01).max(1000).default(byDefault).describe(description);

const agedAfter = (description: string) => aTime.optional().describe(description);

const requestLimit = z.int().min(1).max(1_000_000);
const tokenLimit = z.int().min(1).max(1_000_000_000);
const slots = z.int().min(1).max(256);
const highSpare = z.int().min(0).max(8);
const replicas = z.int().min(1).max(1000);
const recycleAfterS = z
  .number()
  .min(1)
  .max(365 * DAY_S);
const recycleAfterRequests = z.int().min(1).max(1_000_000_000);
const recycleBytes = z
  .int()
  .min(1)
  .max(2 ** 50);
const contextTokens = z.int().min(16).max(16_777_216);
const threads = z.union([z.literal('auto'), z.int().min(1).max(1024)]);
const gpu = z.enum(GPUS);
const keepAlive = z.union([
  z.literal('forever'),
  z
    .number()
    .min(0.001)
    .max(30 * DAY_S),
]);
const path = z.string().min(1);

const address = z
  .string()
  .refine(
    (host) => host === 'localhost' || isIP(host) !== 0,
    'is not an address to listen on: write an IP address of this machine without a port, or "localhost"',
  );

const origin = z
  .string()
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    'is not an origin: write scheme, host and port and nothing else, for example "http://localhost:3000"',
  );

const hostName = z
  .string()
  .regex(
    /^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/,
    'is not a host name: write NAME or NAME:PORT without a scheme, for example "host.docker.internal"',
  );

const samplingDefaults = z.strictObject({
  temperature: z.number().min(0).max(2).optional().describe('0 always takes the likeliest token.'),
  top_p: z.number().gt(0).max(1).optional().describe('1 is off.'),
  top_k: z.int().min(0).max(1_000_000).optional().describe('0 is off.'),
  min_p: z.number().min(0).max(1).optional().describe('0 is off.'),
  frequency_penalty: z
    .number()
    .min(-2)
    .max(2)
    .optional()
    .describe('Over generated tokens; 0 is off.'),
  presence_penalty: z
    .number()
    .min(-2)
    .max(2)
    .optional()
    .describe('Over generated tokens; 0 is off.'),
  repeat_penalty: z
    .number()
    .gt(0)
    .max(10)
    .optional()
    .describe('Over the last 64 tokens of prompt and answer; 1 is off.'),
  ignore_eos: z.boolean().optional().describe("Go on after the model's own end of generation."),
  max_tokens: z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional()
    .describe('An answer ends after so many tokens; absent: the rest of the context.'),
});

const model = z.strictObject({
  path: path.describe(
    "The model: a GGUF file or an MLX folder. Relative paths start at this file's folder, `~/` at your home folder.",
  ),
  backend: z
    .enum(BACKENDS)
    .optional()
    .describe('What runs the model. Found from the path where it is absent.'),
  slots: slots.optional().describe('Instead of `[model_defaults] slots`.'),
  high_spare: highSpare.optional().describe('Instead of `[model_defaults] high_spare`.'),
  replicas: replicas.optional().describe('Instead of `[model_defaults] replicas`.'),
  recycle_after_s: recycleAfterS
    .optional()
    .describe('Instead of `[model_defaults] recycle_after_s`.'),
  recycle_after_requests: recycleAfterRequests
    .optional()
    .describe('Instead of `[model_defaults] recycle_after_requests`.'),
  recycle_above_bytes: recycleBytes
    .optional()
    .describe('Instead of `[model_defaults] recycle_above_bytes`.'),
  recycle_drift_bytes: recycleBytes
    .optional()
    .describe('Instead of `[model_defaults] recycle_drift_bytes`.'),
  context_tokens: contextTokens
    .optional()
    .describe('Instead of `[model_defaults] context_tokens`.'),
  threads: threads.optional().describe('Instead of `[model_defaults] threads`.'),
  preload: z.boolean().optional().describe('Instead of `[model_defaults] preload`.'),
  pin: z.boolean().optional().describe('Never unloaded to make room for another model.'),
  keep_alive_s: keepAlive.optional().describe('Instead of `[model_defaults] keep_alive_s`.'),
  gpu: gpu.optional().describe('Instead of `[model_defaults] gpu`.'),
  defaults: samplingDefaults
    .prefault({})
    .describe('Sampling where a request says nothing. `GET /v1/models/NAME` shows them.'),
});

const KEY_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Also what `hearth key add` takes, so that a key is the same wherever it stands. */
export const KeySection = z.strictObject({
  name: z
    .string()
    .regex(KEY_NAME, 'is not a key name. Use up to 64 letters, digits, dots, dashes or underscores')
    .refine(
      (name) => name !== ANYBODY.name,
      'is not a key name: it stands for callers who need no key',
    )
    .describe('How logs, metrics and usage call it.'),
  sha256: z
    .string()
    .regex(
      /^[0-9a-f]{64}$/,
      'is not the SHA-256 of a key: write 64 hexadecimal digits in lower case',
    )
    .describe("Of the key: `printf %s 'KEY' | sha256sum`. The key itself stands nowhere."),
  priority_max: z
    .enum(PRIORITIES)
    .default('high')
    .describe('A request that asks for a higher class is lowered to it.'),
  requests_per_minute: requestLimit
    .optional()
    .describe('Instead of `[rate_limit] requests_per_minute`; holds also where that is off.'),
  burst: requestLimit.optional().describe('Instead of `[rate_limit] burst`.'),
  tokens_per_minute: tokenLimit.optional().describe('Instead of `[rate_limit] tokens_per_minute`.'),
  tokens_per_day: tokenLimit
    .optional()
    .describe('Prompt and answer, within a day of UTC. Then 429 `key_quota_exceeded`.'),
  concurrency_max: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Requests that run at once, over all models. What is beyond waits.'),
  models: z
    .array(z.string())
    .min(1)
    .max(1000)
    .default(['*'])
    .describe('Models it may use; `["*"]` for all.'),
  expires_at: z
    .string()
    .refine(isMoment, 'is not a time: write "2027-01-31" (UTC) or "2027-01-31T12:00:00Z"')
    .optional()
    .describe('When it stops being taken.'),
  admin: z.boolean().default(false).describe('May use the admin port.'),
});

const AGED =
  'A request that has waited so long gets one slot in eight before its turn. At most half the longest wait of its class. Default: TIME, or that half if it is less.';

/** The sections with fixed names, each with its keys. `models` is the one with names of your own. */
export const SECTIONS = {
  server: z.strictObject({
    host: z
      .union([address, z.array(address).min(1).max(8)])
      .default(['127.0.0.1', '::1'])
      .describe(
        'Addresses to listen on. `localhost` is often ::1 first. Any but loopback needs an API key.',
      ),
    port: port(11_440, 'Main port; 0 picks a free one and prints it.'),
    admin_port: port(11_441, 'Admin port; 0 picks a free one and prints it.'),
    allowed_hosts: z
      .array(hostName)
      .max(64)
      .default([])
      .describe('Further names that a Host header may carry, `NAME` (any port) or `NAME:PORT`.'),
    allowed_origins: z
      .array(origin)
      .max(64)
      .default([])
      .describe('Web pages that may use the server, by origin.'),
    listen_backlog: z
      .int()
      .min(1)
      .max(65_535)
      .default(512)
      .describe('Connections that the system holds until they are accepted.'),
    headers_timeout_s: seconds(20, 'The headers of a request must have come by then. Else 408.'),
    body_timeout_s: seconds(300, 'So long after its headers, its body must have come. Else 408.'),
    request_deadline_s: byTier(
      aTime,
      'server.request_deadline_s',
      'A request that is not answered by then, waiting included, is cut.',
    ),
    waiting_headers_s: seconds(
      10,
      'A stream that still waits sends its headers then; until that a failure is a status.',
    ),
    waiting_comment_s: z
      .number()
      .min(0.001)
      .max(15)
      .default(15)
      .describe('Time between the comments that keep a waiting stream alive.'),
    slow_reader_s: seconds(30, 'A stream that its client does not read for so long is cut.'),
    strict: z
      .boolean()
      .default(false)
      .describe(
        'Refuse request fields that nobody has heard of instead of naming them in a header.',
      ),
  }),
  limits: z
    .strictObject({
      body_max_bytes: z
        .int()
        .min(1024)
        .max(1_073_741_824)
        .default(33_554_432)
        .describe('Largest request body, after decoding.'),
      schema_max_bytes: z
        .int()
        .min(1024)
        .max(16_777_216)
        .default(65_536)
        .describe('Largest schema, pattern or grammar that an answer may have to keep to.'),
      schema_max_depth: z
        .int()
        .min(1)
        .max(64)
        .default(20)
        .describe('Most schemas inside of schemas; one that nests deeper is refused.'),
      memory_budget_bytes: byTier(
        z
          .int()
          .min(1)
          .max(2 ** 50),
        'limits.memory_budget_bytes',
        'Memory of all loaded models together. A model that does not fit has unused ones unloaded, or gets 503 `insufficient_memory`.',
      ),
      queue_depth_max: z
        .int()
        .min(1)
        .max(100_000)
        .default(100)
        .describe('Requests that may run and wait together. The next one gets 503 `queue_full`.'),
      queue_depth_high_spare: z
        .int()
        .min(0)
        .max(100_000)
        .default(20)
        .describe(
          'So many of the class high are not counted, so that a queue full of others does not turn it away.',
        ),
      queue_depth_warn: z
        .int()
        .min(1)
        .max(100_000)
        .optional()
        .describe('The log warns from here on. Default: half of `queue_depth_max`.'),
      queue_timeout_high_s: seconds(300, 'Longest wait for a slot, class high. Then 408.'),
      queue_timeout_normal_s: seconds(120, 'Longest wait for a slot, class normal.'),
      queue_timeout_low_s: seconds(60, 'Longest wait for a slot, class low.'),
      weight_high: weight(8, 'Share of the tokens of a busy model, against the other classes.'),
      weight_normal: weight(3, 'The same for the class normal.'),
      weight_low: weight(1, 'The same for the class low.'),
      aged_after_high_s: agedAfter(AGED.replace('TIME', '2 s')),
      aged_after_normal_s: agedAfter(AGED.replace('TIME', '10 s')),
      aged_after_low_s: agedAfter(AGED.replace('TIME', '30 s')),
    })
    .superRefine(assertAgedInTime)
    .superRefine(assertWarnedInTime),
  rate_limit: z.strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('Whether the limits below hold. Above them a request gets 429 `rate_limited`.'),
    requests_per_minute: requestLimit
      .default(60)
      .describe('Requests of one caller within any 60 s. An API key may have its own limits.'),
    burst: requestLimit.default(10).describe('Requests of one caller within any `burst_window_s`.'),
    burst_window_s: z.number().min(0.001).max(60).default(1).describe('The shorter window.'),
    tokens_per_minute: tokenLimit
      .optional()
      .describe(
        'Tokens of one caller within any 60 s, prompt and answer; reserved when a request comes and settled when it is over. Without it tokens are not limited.',
      ),
    all_requests_per_minute: requestLimit
      .optional()
      .describe('Requests of all callers together within any 60 s. Without it not limited.'),
    all_tokens_per_minute: tokenLimit
      .optional()
      .describe('Tokens of all callers together within any 60 s. Without it not limited.'),
  }),
  model_defaults: z.strictObject({
    slots: byTier(
      slots,
      'model_defaults.slots',
      'Sequences that a model decodes at once. Each costs `context_tokens` of KV cache.',
    ),
    high_spare: highSpare
      .default(1)
      .describe('Slots beyond `slots` that only the class high gets. They cost KV cache, too.'),
    replicas: replicas
      .default(1)
      .describe(
        'Workers that each hold the model and its slots. More of them cost as much memory again, and help where one worker cannot use the machine.',
      ),
    recycle_after_s: recycleAfterS
      .optional()
      .describe(
        'A worker of that age is replaced by a new one; no request fails for it. Without it never.',
      ),
    recycle_after_requests: recycleAfterRequests
      .optional()
      .describe('The same after so many requests.'),
    recycle_above_bytes: recycleBytes
      .optional()
      .describe('The same when it takes more memory than that, RAM and GPU together.'),
    recycle_drift_bytes: recycleBytes
      .optional()
      .describe(
        'The same when it takes so much more with nothing to do than during its first 100 requests.',
      ),
    context_tokens: byTier(
      contextTokens,
      'model_defaults.context_tokens',
      'Context of one slot: prompt and answer together.',
    ),
    threads: threads
      .default('auto')
      .describe(
        'CPU threads of one worker. `"auto"` divides the cores over the workers that there are, anew whenever one comes or goes.',
      ),
    preload: z
      .boolean()
      .default(true)
      .describe(
        'Load models when the server starts. `false`: the first request for a model loads it.',
      ),
    keep_alive_s: byTier(
      keepAlive,
      'model_defaults.keep_alive_s',
      'A model without a request for so long is unloaded; the next request loads it again. `"forever"`: it stays.',
    ),
    gpu: gpu.default('auto').describe('Where to compute. `"auto"` takes what works, else the CPU.'),
  }),
  tier: z.strictObject({
    memory_gb: z
      .union([z.literal('auto'), z.literal(TIERS_GB)])
      .default('auto')
      .describe(
        'The tier of the machine. `"auto"` goes by its memory, or by that of its container: below 24 GB it is 16, from 64 GB on it is 64, between them 32. `hearth config show` says which values come from it.',
      ),
  }),
  paths: z.strictObject({
    state_dir: path
      .optional()
      .describe(
        "State of the server, readable by you alone. Default: the platform's state folder.",
      ),
    models_dir: path
      .optional()
      .describe("Models that Hearth fetches. Default: the platform's cache folder."),
  }),
  log: z.strictObject({
    level: z
      .enum(LOG_LEVELS)
      .default('info')
      .describe('Lines below it are not written. Prompts, answers and keys never are.'),
  }),
  worker: z
    .strictObject({
      start_timeout_s: seconds(30, 'From the start of a worker to its hello.'),
      load_timeout_s: byTier(aTime, 'worker.load_timeout_s', 'Longest load of a model.'),
      drain_timeout_s: seconds(
        30,
        'What runs may finish for so long when the server stops or the model is unloaded.',
      ),
      kill_timeout_s: seconds(2, 'From asking a worker to go to killing it.'),
      heartbeat_interval_ms: z
        .int()
        .min(50)
        .max(60_000)
        .default(1000)
        .describe('Time between two signs of life of a worker.'),
      heartbeat_misses: z
        .int()
        .min(2)
        .max(100)
        .default(3)
        .describe('Signs of life that may fail to come before a worker counts as hung.'),
      heartbeat_dependent: z
        .boolean()
        .default(true)
        .describe('`false`: silence is only warned of, that of a worker and that of the server.'),
      silence_limit_s: seconds(
        30,
        'A worker that hears nothing from the server for so long ends itself. At least three times `heartbeat_interval_ms`.',
      ),
      step_timeout_s: seconds(
        10,
        'Shortest time after which a decode step counts as hung; six times that until a step is measured.',
      ),
      restart_max: z
        .int()
        .min(0)
        .max(1000)
        .default(3)
        .describe('Restarts of a worker within `restart_period_s` before its model is failed.'),
      restart_period_s: seconds(60, 'See `restart_max`.'),
      probe_after_s: seconds(
        30,
        'A model that failed by its deaths is tried again after it, then ever later, up to ten minutes.',
      ),
      llama_path: z
        .enum(['auto', 'internal', 'public'])
        .default('auto')
        .describe(
          "How GGUF workers drive the library: our own decode loop, the library's public one, or the first if it passes its self-test.",
        ),
    })
    .superRefine(assertPatient),
} as const;

const ModelName = z.string().regex(MODEL_NAME, `is not a model name. Use ${MODEL_NAME_RULE}`);

export const ModelSection = model;

export const FileSchema = z.strictObject({
  server: SECTIONS.server.prefault({}).describe('Where the server listens and whom it answers.'),
  limits: SECTIONS.limits
    .prefault({})
    .describe('What is refused, and how long a request may wait.'),
  rate_limit: SECTIONS.rate_limit
    .prefault({})
    .describe('How much may be asked for within a time. Off by default.'),
  model_defaults: SECTIONS.model_defaults
    .prefault({})
    .describe('What holds for every model that does not say otherwise.'),
  models: z
    .record(ModelName, model)
    .default({})
    .describe('One table for each model: `[models.NAME]`. The first one is the default.'),
  keys: z
    .array(KeySection)
    .max(1000)
    .default([])
    .superRefine(assertKeysDiffer)
    .describe(
      'One table for each API key: `[[keys]]`. Beside these, `hearth key add` makes keys that need neither restart nor reload.',
    ),
  tier: SECTIONS.tier
    .prefault({})
    .describe('By how much memory the defaults are chosen. A key that is set wins over its tier.'),
  paths: SECTIONS.paths.prefault({}).describe('Where things lie.'),
  log: SECTIONS.log.prefault({}).describe('What is logged, to stderr, as JSON lines.'),
  worker: SECTIONS.worker.prefault({}).describe('The processes that hold the models.'),
});

export type FileConfig = z.output<typeof FileSchema>;

/** A day of UTC, or a time that says where: a local one would mean another moment on another machine. */
const MOMENT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;

function isMoment(text: string): boolean {
  return MOMENT.test(text) && !Number.isNaN(Date.parse(text));
}

function assertKeysDiffer(
  keys: readonly z.output<typeof KeySection>[],
  context: {
    addIssue(issue: { code: 'custom'; path: (string | number)[]; message: string }): void;
  },
): void {
  for (const field of ['name', 'sha256'] as const) {
    const seen = new Map<string, number>();
    for (const [index, key] of keys.entries()) {
      const first = seen.get(key[field]);
      seen.set(key[field], first ?? index);
      if (first === undefined) continue;
      const message = `is not unique: key number ${first + 1} has the same ${field}`;
      context.addIssue({ code: 'custom', path: [index, field], message });
    }
  }
}

function assertPatient(
  worker: { readonly silence_limit_s: number; readonly heartbeat_interval_ms: number },
  context: { addIssue(issue: { code: 'custom'; path: string[]; message: string }): void },
): void {
  const leastS = (3 * worker.heartbeat_interval_ms) / 1000;
  if (worker.silence_limit_s >= leastS) return;
  const message = `cannot be less than three times heartbeat_interval_ms, which is ${leastS} s`;
  context.addIssue({ code: 'custom', path: ['silence_limit_s'], message });
}

function assertWarnedInTime(
  limits: { readonly queue_depth_warn?: number | undefined; readonly queue_depth_max: number },
  context: { addIssue(issue: { code: 'custom'; path: string[]; message: string }): void },
): void {
  const { queue_depth_warn: warn, queue_depth_max: max } = limits;
  if (warn === undefined || warn <= max) return;
  const message = `cannot be more than queue_depth_max, which is ${max}`;
  context.addIssue({ code: 'custom', path: ['queue_depth_warn'], message });
}

/** A request that is aged only when its time is up has nothing of it. */
function assertAgedInTime(
  limits: Readonly<Record<string, unknown>>,
  context: { addIssue(issue: { code: 'custom'; path: string[]; message: string }): void },
): void {
  for (const priority of PRIORITIES) {
    const key = `aged_after_${priority}_s`;
    const [aged, timeout] = [limits[key], limits[`queue_timeout_${priority}_s`]] as number[];
    if (aged === undefined || aged <= timeout! / 2) continue;
    const message = `cannot be more than half of queue_timeout_${priority}_s, which is ${timeout}`;
    context.addIssue({ code: 'custom', path: [key], message });
  }
}
