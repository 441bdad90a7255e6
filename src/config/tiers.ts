/**
 * Defaults that depend on the memory of the machine: the only ones that do not stand in the schema,
 * whose descriptions read them from here.
 *
 *   below 24 GB ─▶ tier 16      below 64 GB ─▶ tier 32      else ─▶ tier 64
 *
 * The slots, with the spare one, hold 16, 48 and 88 times 1,024 tokens. A small machine has half the
 * context because there the KV cache is what keeps a model of 8 B parameters out.
 *
 * Units   GB are 10^9 bytes: a machine that is sold with 64 GB has some 62 GiB left for its programs.
 * Errors  none.
 * Source  row MX-052; its "context" has no figures, these are ours.
 */
export const TIERS_GB = [16, 32, 64] as const;
/** What the tier is called by: a usual size of such a machine. */
export type TierGb = (typeof TIERS_GB)[number];

type ByTier = Readonly<Record<TierGb, number>>;

/** By the path of the key, in the unit of the key. */
const TIER_DEFAULTS: Readonly<Record<string, ByTier>> = {
  'server.request_deadline_s': { 16: 180, 32: 300, 64: 600 },
  'model_defaults.slots': { 16: 3, 32: 5, 64: 10 },
  'model_defaults.context_tokens': { 16: 4096, 32: 8192, 64: 8192 },
  'model_defaults.keep_alive_s': { 16: 180, 32: 300, 64: 600 },
  'worker.load_timeout_s': { 16: 120, 32: 180, 64: 300 },
};

/** Not a key of its own: `limits.memory_budget_bytes` is what is left. */
const KEPT_FREE_BYTES: ByTier = { 16: 4e9, 32: 8e9, 64: 20e9 };
/** Of a machine that is smaller than its tier is meant for. */
const KEPT_FREE_SHARE_MAX = 1 / 3;
const BUDGET_KEY = 'limits.memory_budget_bytes';

export function tierOf(memoryBytes: number): TierGb {
  if (memoryBytes < 24e9) return 16;
  return memoryBytes < 64e9 ? 32 : 64;
}

/** The tier's defaults by the paths of their keys. */
export function defaultsOf(tier: TierGb, memoryBytes: number): ReadonlyMap<string, number> {
  return new Map([
    ...Object.entries(TIER_DEFAULTS).map(([key, byTier]) => [key, byTier[tier]] as const),
    [BUDGET_KEY, memoryBudgetBytes(memoryBytes, tier)],
  ]);
}

/** "3, 5 or 10", for documents. */
export function showByTier(key: string): string {
  if (key === BUDGET_KEY) {
    const [small, middle, large] = TIERS_GB.map((tier) => KEPT_FREE_BYTES[tier] / 1e9);
    return `the machine's memory less ${small}, ${middle} or ${large} GB, at least two thirds of it`;
  }
  const [small, middle, large] = TIERS_GB.map((tier) => TIER_DEFAULTS[key]?.[tier]);
  return `${small}, ${middle} or ${large}`;
}

/** For all loaded models together. */
function memoryBudgetBytes(memoryBytes: number, tier: TierGb): number {
  const keptFree = Math.min(KEPT_FREE_BYTES[tier], memoryBytes * KEPT_FREE_SHARE_MAX);
  return Math.floor(memoryBytes - keptFree);
}
