import { describe, expect, test } from 'vitest';

import { LiveSettings, type ServedConfig } from '../../../src/cli/live-settings.ts';
import { describeReload } from '../../../src/cli/reload.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { RequestError } from '../../../src/core/errors.ts';
import type { Log, LogFields, LogLevel } from '../../../src/core/log.ts';
import { makeCatalogue } from '../../../src/models/catalogue.ts';

const folders = { homeDir: '/h', workDir: '/w', configDir: '/c', stateDir: '/s', modelsDir: '/m' };

function served(text: string): ServedConfig {
  const file = { path: '/w/hearth.toml', text };
  const { config, settings } = loadConfig({ file, environment: {}, folders, memoryBytes: 32e9 });
  return { config, settings, models: makeCatalogue(config.models, config.modelDefaults) };
}

/** A server with a file that the test writes, and what it was told. */
function setUp(text = '') {
  const place = { text, refuseKeys: false };
  const told: (readonly [string, unknown])[] = [];
  const lines: (readonly [string, LogFields, string])[] = [];
  const at = (level: string) => (fields: LogFields, message: string) => {
    lines.push([level, fields, message]);
  };
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  const filter: { level: LogLevel } = { level: 'info' };
  const live = new LiveSettings({
    filter,
    served: served(text),
    read: () => served(place.text),
    setKeys: (keys) => {
      if (place.refuseKeys) throw new Error('nobody could come');
      told.push(['keys', keys.map(({ name }) => name)]);
    },
    setLimits: ({ limits }) => told.push(['limits', limits.queueDepthMax]),
    setModels: (models) => told.push(['models', models.map(({ name }) => name)]),
    log,
  });
  return { place, told, lines, filter, live };
}

const KEY = `[[keys]]\nname = "k"\nsha256 = "${'a'.repeat(64)}"\n`;
const NO_MODELS = { added: [], removed: [], changed: [] };

describe('reload', () => {
  test('applies what can be applied and names the rest, each time until a restart', () => {
    const { place, told, lines, filter, live } = setUp();
    place.text = `[server]\nport = 1\n[limits]\nqueue_depth_max = 7\n[log]\nlevel = "error"\n${KEY}[models.a]\npath = "a.gguf"`;
    const models = { ...NO_MODELS, added: ['a'] };
    expect(live.reload()).toEqual({
      applied: ['keys', 'limits.queue_depth_max', 'log.level'],
      refused: ['server.port'],
      models,
    });
    expect(told).toEqual([
      ['keys', ['k']],
      ['limits', 7],
      ['models', ['a']],
    ]);
    expect(filter.level).toBe('error');
    expect(lines).toEqual([
      [
        'info',
        { applied: ['keys', 'limits.queue_depth_max', 'log.level'] },
        'configuration read again',
      ],
      ['warn', { refused: ['server.port'] }, 'settings changed that need a restart: they stay'],
      ['info', models, 'models changed'],
    ]);
    expect(live.reload()).toEqual({ applied: [], refused: ['server.port'], models: NO_MODELS });
    expect(told).toHaveLength(3);
    // Without a model a start would fetch one.
    place.text = '';
    expect(live.reload()).toMatchObject({ refused: ['models'], models: NO_MODELS });
    expect(told.slice(3)).toEqual([
      ['keys', []],
      ['limits', 100],
    ]);
  });

  test('models are compared with all that holds for them', () => {
    const { place, told, live } = setUp('[models.a]\npath = "a.gguf"\n[models.b]\npath = "b.gguf"');
    const rest = '[models.b]\npath = "b.gguf"\n[models.c]\npath = "c.gguf"';
    place.text = `[model_defaults]\nslots = 9\n${rest}`;
    const models = { added: ['c'], removed: ['a'], changed: ['b'] };
    expect(live.reload()).toEqual({ applied: ['model_defaults.slots'], refused: [], models });
    expect(told).toEqual([['models', ['b', 'c']]]);
  });

  test('a file with an error changes nothing, and says what a start would', () => {
    const { place, told, lines, filter, live } = setUp();
    place.text = `[limits]\nqueue_depth_max = 7\n[log]\nlevel = "loud"\n[server]\nprot = 1`;
    const message =
      '/w/hearth.toml:4: log.level = "loud" is not accepted. Write one of "debug", "info", "warning", "error", "none".\n' +
      '/w/hearth.toml:6: unknown key "server.prot". Did you mean "port"?';
    const error = catchError(() => live.reload());
    expect([error.code, error.message]).toEqual(['invalid_configuration', message]);
    expect(lines).toEqual([
      ['error', { reason: message }, 'configuration not read again: nothing changes'],
    ]);
    expect([told, filter.level]).toEqual([[], 'info']);
    place.text = '[limits]\nqueue_depth_max = 7';
    expect(live.reload().applied).toEqual(['limits.queue_depth_max']);
  });

  test('keys with which nobody could come change nothing else either', () => {
    const { place, told, filter, live } = setUp();
    place.text = `[limits]\nqueue_depth_max = 7\n[log]\nlevel = "none"\n${KEY}`;
    place.refuseKeys = true;
    expect(catchError(() => live.reload()).message).toBe('nobody could come');
    expect([told, filter.level]).toEqual([[], 'info']);
    place.refuseKeys = false;
    expect(live.reload().applied).toHaveLength(3);
  });

  test('a level that was set by hand stays until the file has another one', () => {
    const { place, live } = setUp('[log]\nlevel = "warning"');
    live.logLevel = 'debug';
    place.text = '[log]\nlevel = "warning"\n[limits]\nqueue_depth_max = 7';
    live.reload();
    expect(live.logLevel).toBe('debug');
    place.text = '[log]\nlevel = "error"';
    live.reload();
    expect(live.logLevel).toBe('error');
  });
});

function catchError(act: () => void): RequestError {
  try {
    act();
  } catch (error) {
    return error as RequestError;
  }
  throw new Error('nothing was thrown');
}

test('hearth reload says it in lines', () => {
  const nothing = { applied: [], refused: [], models: NO_MODELS };
  expect(describeReload(nothing)).toBe('nothing has changed\n');
  const models = { added: ['a', 'b'], removed: [], changed: ['c'] };
  expect(
    describeReload({ applied: ['keys'], refused: ['server.host', 'server.port'], models }),
  ).toBe(
    'applied: keys\nneeds a restart: server.host, server.port\nmodels: added a, b; changed c\n',
  );
});
