/**
 * What is done with every parameter we know and do not honour: the enforce-or-refuse table.
 *
 *   harmless      has no meaning here: accepted when its type is right
 *   unsupported   would change the answer: accepted with a neutral value, else refused by name
 *
 * `null`, `false` and `[]` are neutral everywhere, except that `false` means something where the
 * default is `true`. SDKs send such values unasked. A parameter moves out of here when the issue
 * that honours it lands. What stands in no table is unheard of, see `sort.ts`.
 *
 * Source  OpenAI's document 2.3.0; the request fields of llama-server, Ollama, vLLM, TGI, mlx-lm
 *         and OpenRouter.
 */
import * as z from 'zod';

export interface Unsupported {
  /** Accepted besides `null`, `false` and `[]`. */
  readonly neutral?: readonly unknown[];
  /** What to do instead, when there is something. */
  readonly hint?: string;
}

export type UnsupportedTable = Readonly<Record<string, Unsupported>>;

const NOT_YET = 'it is not built yet';

/** Parameters without a meaning on one's own machine. */
export const HARMLESS = {
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  prompt_cache_key: z
    .string()
    .nullish()
    .meta({ description: 'Keeps the requests of one conversation on one worker.' }),
  prompt_cache_retention: z.string().nullish(),
  prompt_cache_options: z.record(z.string(), z.unknown()).nullish(),
} as const;

/** OpenAI's own and, below them, fields of other servers that change what is generated. */
const COMMON: UnsupportedTable = {
  store: { hint: 'nothing is stored' },
  service_tier: { neutral: ['auto', 'default'], hint: 'use priority' },
  // Structured output by other names.
  guided_json: { hint: 'use response_format' },
  guided_regex: { hint: 'use regex' },
  guided_choice: { hint: 'use response_format with an enum, or regex' },
  guided_grammar: { hint: 'use grammar, in GBNF' },
  guided_decoding_backend: {},
  guided_whitespace_pattern: {},
  structured_outputs: { neutral: [{}], hint: 'use response_format' },
  json_schema: { neutral: [{}], hint: 'use response_format' },
  grammar_lazy: {},
  grammar_triggers: {},
  format: { neutral: [''], hint: 'use response_format' },
  ebnf: { neutral: [''], hint: 'use grammar, in GBNF' },
  // Templates come from the model only.
  chat_template: { neutral: [''], hint: 'templates come from the model only' },
  chat_template_kwargs: { neutral: [{}], hint: NOT_YET },
  template: { neutral: [''], hint: 'templates come from the model only' },
  system: { neutral: [''], hint: 'send a message of role system' },
  raw: {},
  context: {},
  add_generation_prompt: { neutral: [true] },
  continue_final_message: {},
  add_special_tokens: { neutral: [true] },
  skip_special_tokens: { neutral: [true] },
  spaces_between_special_tokens: { neutral: [true] },
  include_stop_str_in_output: {},
  documents: {},
  // Samplers that are not built yet.
  typical_p: { neutral: [1], hint: NOT_YET },
  top_a: { neutral: [0] },
  tfs_z: { neutral: [1] },
  top_n_sigma: { neutral: [-1, 0] },
  xtc_probability: { neutral: [0], hint: NOT_YET },
  xtc_threshold: { neutral: [0.1], hint: NOT_YET },
  xtc_special_tokens: {},
  dry_multiplier: { neutral: [0], hint: NOT_YET },
  dry_base: { neutral: [1.75], hint: NOT_YET },
  dry_allowed_length: { neutral: [2], hint: NOT_YET },
  dry_penalty_last_n: { neutral: [-1, 0], hint: NOT_YET },
  dry_sequence_breakers: { hint: NOT_YET },
  dynatemp_range: { neutral: [0] },
  dynatemp_exponent: { neutral: [1] },
  mirostat: { neutral: [0] },
  mirostat_mode: { neutral: [0] },
  mirostat_tau: { neutral: [5] },
  mirostat_eta: { neutral: [0.1] },
  smoothing_factor: { neutral: [0] },
  smoothing_curve: { neutral: [1] },
  repetition_penalty: { neutral: [1], hint: 'use repeat_penalty' },
  repetition_context_size: { neutral: [20] },
  repeat_last_n: { neutral: [64], hint: 'repeat_penalty looks at the last 64 tokens' },
  no_repeat_ngram_size: { neutral: [0] },
  encoder_repetition_penalty: { neutral: [1] },
  length_penalty: { neutral: [1] },
  penalty_alpha: { neutral: [0] },
  penalize_nl: {},
  min_keep: { neutral: [0] },
  samplers: {},
  sampler_seq: { neutral: [''] },
  temperature_last: {},
  guidance_scale: { neutral: [1] },
  negative_prompt: { neutral: [''] },
  do_sample: { neutral: [true], hint: 'use temperature 0 for greedy' },
  logits_processors: {},
  logits_bias: { neutral: [{}], hint: 'use logit_bias' },
  // Beams and candidates.
  use_beam_search: {},
  num_beams: { neutral: [1] },
  early_stopping: {},
  best_of: { neutral: [1] },
  // Lengths and stops by other names.
  stop_token_ids: { hint: 'use stop' },
  stop_words: { hint: 'use stop' },
  bad_words: {},
  allowed_token_ids: {},
  min_tokens: { neutral: [0] },
  min_length: { neutral: [0] },
  n_predict: { neutral: [-1], hint: 'use max_tokens' },
  num_predict: { neutral: [-1], hint: 'use max_tokens' },
  max_new_tokens: { hint: 'use max_tokens' },
  max_length: { hint: 'use max_tokens' },
  truncate_prompt_tokens: {},
  truncation: { neutral: ['disabled'] },
  n_keep: { neutral: [0] },
  num_keep: { neutral: [0] },
  n_discard: { neutral: [0] },
  n_indent: { neutral: [0] },
  t_max_predict_ms: { neutral: [0, -1] },
  // Settings of the model, not of a request.
  num_ctx: { hint: 'set context_tokens of the model' },
  num_batch: {},
  num_gpu: {},
  num_thread: {},
  main_gpu: {},
  use_mmap: {},
  options: { neutral: [{}], hint: 'send the options as parameters of their own' },
  parameters: { neutral: [{}], hint: 'send them as parameters of their own' },
  keep_alive: { hint: 'use keep_alive_s' },
  lora: {},
  lora_request: {},
  adapters: {},
  adapter: { neutral: [''] },
  draft_model: {},
  num_draft_tokens: {},
  'speculative.n_max': {},
  'speculative.n_min': {},
  'speculative.p_min': {},
  id_slot: { neutral: [-1] },
  slot_id: { neutral: [-1] },
  cache_prompt: { neutral: [true], hint: 'prompts are always cached' },
  // Thoughts.
  think: { hint: NOT_YET },
  thinking: { neutral: [{ type: 'disabled' }], hint: NOT_YET },
  enable_thinking: { hint: NOT_YET },
  thinking_budget: { hint: NOT_YET },
  thinking_budget_tokens: { neutral: [-1], hint: NOT_YET },
  reasoning: { neutral: [{}], hint: NOT_YET },
  reasoning_format: { neutral: ['none', 'auto'], hint: NOT_YET },
  include_reasoning: {},
  // Additions to the answer.
  n_probs: { neutral: [0], hint: NOT_YET },
  prompt_logprobs: { hint: NOT_YET },
  post_sampling_probs: {},
  return_tokens: {},
  return_token_ids: {},
  return_tokens_as_token_ids: {},
  return_progress: {},
  timings_per_token: {},
  response_fields: {},
  // Media and routing of others.
  image_data: {},
  images: {},
  multimodal_data: {},
  mm_processor_kwargs: { neutral: [{}] },
  transforms: {},
  models: {},
  plugins: {},
  provider: { neutral: [{}] },
};

export const CHAT_UNSUPPORTED: UnsupportedTable = {
  ...COMMON,
  n: { neutral: [1], hint: 'send as many requests instead' },
  tools: { hint: NOT_YET },
  tool_choice: { neutral: ['none', 'auto'], hint: NOT_YET },
  parallel_tool_calls: { neutral: [true, false] },
  functions: { hint: NOT_YET },
  function_call: { neutral: ['none', 'auto'], hint: NOT_YET },
  logprobs: { hint: NOT_YET },
  top_logprobs: { neutral: [0], hint: NOT_YET },
  modalities: { neutral: [['text']] },
  audio: {},
  prediction: {},
  moderation: {},
  verbosity: { neutral: ['medium'] },
  reasoning_effort: { neutral: ['none', 'medium'], hint: NOT_YET },
  web_search_options: {},
  suffix: { neutral: [''] },
  echo: { hint: 'use /v1/completions' },
};

export const COMPLETION_UNSUPPORTED: UnsupportedTable = {
  ...COMMON,
  n: { neutral: [1], hint: 'send as many prompts instead' },
  logprobs: { hint: NOT_YET },
  suffix: { neutral: [''] },
  tools: {},
};
