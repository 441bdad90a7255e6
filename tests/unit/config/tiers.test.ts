import { describe, expect, test } from 'vitest';

import { listKeys } from '../../../src/config/keys.ts';
import { showSource } from '../../../src/config/layers.ts';
import { type ConfigInput, loadConfig } from '../../../src/config/load.ts';
import { defaultsOf, TIERS_GB, tierOf } from '../../../src/config/tiers.ts';

const folders = { homeDir: '/h', workDir: '/w', configDir: '/c', stateDir: '/s', modelsDir: '/m' };

function load(
  memoryBytes: number,
  { text = '', ...input }: Partial<ConfigInput> & { text?: string } = {},
) {
  const file = { path: '/w/hearth.toml', text };
  const { settings, ...loaded } = loadConfig({
    environment: {},
    file,
    folders,
    ...input,
    memoryBytes,
  });
  const sources = new Map(settings.map(({ path, source }) => [path, showSource(source)]));
  return { ...loaded, sources };
}

describe('the tier', () => {
  // MX-052
  test.each([
    [2, 16],
    [16, 16],
    [23.999, 16],
    [24, 32],
    [63.999, 32],
    [64, 64],
    [2000, 64],
  ])('of a machine with %d GB is %d', (memoryGb, tier) => {
    expect(tierOf(memoryGb * 1e9)).toBe(tier);
    expect(load(memoryGb * 1e9).tier).toBe(tier);
  });

  // MX-052, MX-058
  test.each([
    [16, { slots: 3, keepAliveS: 180, deadlineS: 180, loadS: 120, keptFreeGb: 4 }],
    [32, { slots: 5, keepAliveS: 300, deadlineS: 300, loadS: 180, keptFreeGb: 8 }],
    [64, { slots: 10, keepAliveS: 600, deadlineS: 600, loadS: 300, keptFreeGb: 20 }],
  ])('of %d GB sets what the row says', (memoryGb, row) => {
    const { config } = load(memoryGb * 1e9);
    expect({
      slots: config.modelDefaults.slots,
      keepAliveS: config.modelDefaults.keepAliveMs / 1000,
      deadlineS: config.server.requestDeadlineMs / 1000,
      loadS: config.worker.loadTimeoutMs / 1000,
      keptFreeGb: memoryGb - config.limits.memoryBudgetBytes / 1e9,
    }).toEqual(row);
  });

  test('a small machine keeps a third free, also under a tier that is too large for it', () => {
    expect(load(3e9).config.limits.memoryBudgetBytes).toBe(2e9);
    const environment = { HEARTH_TIER: '64' };
    expect(load(15e9, { environment }).config.limits.memoryBudgetBytes).toBe(10e9);
  });

  test('is the one of the file, of the variable, of the longer variable', () => {
    const text = '[tier]\nmemory_gb = 64';
    expect(load(8e9, { text }).tier).toBe(64);
    expect(load(8e9, { text, environment: { HEARTH_TIER: '32' } }).tier).toBe(32);
    const both = { HEARTH_TIER: '32', HEARTH_TIER_MEMORY_GB: '16' };
    expect(load(80e9, { text, environment: both }).tier).toBe(16);
    expect(load(80e9, { text: '[tier]\nmemory_gb = "auto"' }).tier).toBe(64);
  });

  test('gives way to every key that is set, and each value says where it came from', () => {
    const { config, sources } = load(16e9, {
      text: '[model_defaults]\nslots = 4\n[limits]\nmemory_budget_bytes = 1000',
      environment: { MLX_REQUEST_TIMEOUT: '20' },
      flags: [{ flag: '--context-tokens', key: 'model_defaults.context_tokens', value: 512 }],
    });
    expect(config.modelDefaults).toMatchObject({ slots: 4, contextTokens: 512 });
    expect(config.server.requestDeadlineMs).toBe(20_000);
    expect(config.limits.memoryBudgetBytes).toBe(1000);
    expect(Object.fromEntries(sources)).toMatchObject({
      'model_defaults.slots': '/w/hearth.toml:2',
      'model_defaults.context_tokens': 'flag --context-tokens',
      'model_defaults.keep_alive_s': 'tier 16',
      'server.request_deadline_s': 'alias MLX_REQUEST_TIMEOUT',
      'worker.load_timeout_s': 'tier 16',
      'limits.memory_budget_bytes': '/w/hearth.toml:4',
      'limits.queue_depth_max': 'default',
    });
  });

  test('leaves a model that is to stay', () => {
    const text = `[model_defaults]\nkeep_alive_s = "forever"
      [models.a]\npath = "a.gguf"\nkeep_alive_s = 60
      [models.b]\npath = "b.gguf"\nkeep_alive_s = "forever"
      [models.c]\npath = "c.gguf"`;
    const { config } = load(16e9, { text });
    expect(config.modelDefaults.keepAliveMs).toBe(Number.POSITIVE_INFINITY);
    expect(config.models.map(({ keepAliveMs }) => keepAliveMs)).toEqual([
      60_000,
      Number.POSITIVE_INFINITY,
      undefined,
    ]);
  });
});

test('every key of a tier exists, takes its value, and has no other default', () => {
  const keys = new Map(listKeys().map((key) => [key.path, key]));
  for (const tier of TIERS_GB) {
    for (const [path] of defaultsOf(tier, 16e9)) {
      expect(keys.get(path), path).toMatchObject({ byDefault: undefined, isRequired: false });
      expect(keys.get(path)?.description).toMatch(/Default by tier: .*\d.*\.$/);
    }
  }
});
