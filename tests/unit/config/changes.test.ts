import { describe, expect, test } from 'vitest';

import { applyLive, compareModels, compareValues, toValues } from '../../../src/config/changes.ts';
import { listKeys } from '../../../src/config/keys.ts';
import { loadConfig } from '../../../src/config/load.ts';

const folders = { homeDir: '/h', workDir: '/w', configDir: '/c', stateDir: '/s', modelsDir: '/m' };

function valuesOf(text: string) {
  const file = { path: '/w/hearth.toml', text };
  return toValues(loadConfig({ file, environment: {}, folders, memoryBytes: 32e9 }).settings);
}

const key = (name: string) => `[[keys]]\nname = "${name}"\nsha256 = "${name.repeat(64)}"\n`;

describe('compareValues', () => {
  test.each([
    ['nothing', '', '# a comment\n[log]\nlevel = "info"', [], []],
    ['the log level', '', '[log]\nlevel = "debug"', ['log.level'], []],
    [
      'limits, set and no longer set',
      '[limits]\nqueue_depth_warn = 3',
      '[limits]\nqueue_depth_max = 7\nweight_low = 2',
      ['limits.queue_depth_max', 'limits.queue_depth_warn', 'limits.weight_low'],
      [],
    ],
    [
      'rate limits',
      '',
      '[rate_limit]\nenabled = true\nall_tokens_per_minute = 5',
      ['rate_limit.all_tokens_per_minute', 'rate_limit.enabled'],
      [],
    ],
    ['a first key', '', key('a'), ['keys'], []],
    ['a field of a key', key('a'), `${key('a')}admin = true`, ['keys'], []],
    ['one key for another', key('a'), key('b'), ['keys'], []],
    [
      'what needs a restart',
      '',
      '[server]\nport = 1\n[limits]\nmemory_budget_bytes = 9\n[model_defaults]\nslots = 2',
      ['model_defaults.slots'],
      ['limits.memory_budget_bytes', 'server.port'],
    ],
    [
      'the tier, and all that comes from it',
      '',
      '[tier]\nmemory_gb = 64',
      ['model_defaults.keep_alive_s', 'model_defaults.slots'],
      [
        ...['limits.memory_budget_bytes', 'server.request_deadline_s'],
        ...['tier.memory_gb', 'worker.load_timeout_s'],
      ],
    ],
    ['models, which are looked at one by one', '', '[models.a]\npath = "a.gguf"', [], []],
  ])('sees %s', (_what, before, after, live, fixed) => {
    expect(compareValues(valuesOf(before), valuesOf(after))).toEqual({ live, fixed });
  });

  test('applied settings are no change any more, refused ones are', () => {
    const before = valuesOf('[limits]\nqueue_depth_warn = 3');
    const after = valuesOf(`[server]\nport = 1\n[log]\nlevel = "none"\n${key('a')}`);
    const now = applyLive(before, after);
    expect(compareValues(now, after)).toEqual({ live: [], fixed: ['server.port'] });
    expect(compareValues(now, before).live).toEqual([
      'keys',
      'limits.queue_depth_warn',
      'log.level',
    ]);
  });

  test('a change of any key that there is falls under one of the two', () => {
    for (const { path, section } of listKeys()) {
      if (section.startsWith('models') || section === 'keys') continue;
      const { live, fixed } = compareValues(new Map([[path, '1']]), new Map([[path, '2']]));
      expect([...live, ...fixed]).toEqual([path]);
    }
  });
});

describe('compareModels', () => {
  const a = { name: 'a', path: '/a', defaults: { topP: 1 } };
  const b = { name: 'b', path: '/b', slots: 2 };
  const nothing = { added: [], removed: [], changed: [] };

  test.each([
    ['the same, made anew', [a, b], [{ ...a, defaults: { topP: 1 } }, { ...b }], nothing],
    ['an added one', [a], [a, b], { ...nothing, added: ['b'] }],
    ['a removed one', [a, b], [a], { ...nothing, removed: ['b'] }],
    ['another path', [a, b], [a, { ...b, path: '/c' }], { ...nothing, changed: ['b'] }],
    ['deep within', [a], [{ ...a, defaults: { topP: 0.5 } }], { ...nothing, changed: ['a'] }],
    ['a key that is gone', [b], [{ name: 'b', path: '/b' }], { ...nothing, changed: ['b'] }],
    ['another default', [a, b], [b, a], { ...nothing, changed: ['b'] }],
    ['a removed default', [a, b], [b], { ...nothing, removed: ['a'], changed: ['b'] }],
    ['a first one', [], [a], { ...nothing, added: ['a'] }],
    [
      'all of it',
      [a, b],
      [{ ...b, slots: 3 }, { name: 'c' }],
      { added: ['c'], removed: ['a'], changed: ['b'] },
    ],
    ['none', [], [], nothing],
  ])('%s', (_what, before, after, changes) => {
    expect(compareModels<{ name: string }>(before, after)).toEqual(changes);
  });
});
