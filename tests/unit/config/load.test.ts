import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { showSource } from '../../../src/config/layers.ts';
import { ConfigError, type ConfigInput, loadConfig } from '../../../src/config/load.ts';

const folders = {
  homeDir: '/home/u',
  workDir: '/work/dir',
  configDir: '/home/u/.config/hearth',
  stateDir: '/home/u/state',
  modelsDir: '/home/u/cache/models',
};
const bare = { environment: {}, folders, memoryBytes: 32e9 };

function load(text: string, input: Partial<ConfigInput> = {}) {
  const file = { path: '/etc/h/hearth.toml', text };
  return loadConfig({ ...bare, file, ...input });
}

function problemsOf(text: string, input: Partial<ConfigInput> = {}): readonly string[] {
  try {
    load(text, input);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  test('without anything, everything is by default', () => {
    const { config, settings } = loadConfig(bare);
    expect(config.server).toMatchObject({ hosts: ['127.0.0.1', '::1'], port: 11_440 });
    expect(config.server).toMatchObject({ adminPort: 11_441, listenBacklog: 512 });
    expect(config.limits.queueTimeoutMs).toEqual({ high: 300_000, normal: 120_000, low: 60_000 });
    expect(config.limits).toMatchObject({ bodyMaxBytes: 33_554_432, queueDepthMax: 100 });
    expect(config.paths).toEqual({ stateDir: '/home/u/state', modelsDir: '/home/u/cache/models' });
    expect(config.models).toEqual([]);
    expect(new Set(settings.map(({ source }) => source.kind))).toEqual(
      new Set(['default', 'tier']),
    );
  });

  test('is frozen through and through', () => {
    const { config } = load('[models.a]\npath = "a.gguf"');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.limits.queueTimeoutMs)).toBe(true);
    expect(Object.isFrozen(config.models[0])).toBe(true);
  });

  test.each([
    ['file over default', '[log]\nlevel = "debug"', {}, 'debug', '/etc/h/hearth.toml:2'],
    [
      'environment over file',
      '[log]\nlevel = "debug"',
      { HEARTH_LOG_LEVEL: 'error' },
      'error',
      'env HEARTH_LOG_LEVEL',
    ],
  ])('%s', (_why, text, environment, level, source) => {
    const { config, settings } = load(text, { environment });
    expect(config.log.level).toBe(level);
    expect(showSource(settings.find(({ path }) => path === 'log.level')!.source)).toBe(source);
  });

  test('flag over environment, full variable over alias, own alias over the old one', () => {
    const environment = {
      HEARTH_SERVER_ADMIN_PORT: '1',
      MLX_ADMIN_PORT: '2',
      MLX_QUEUE_TIMEOUT_HIGH: '3',
      HEARTH_QUEUE_TIMEOUT_HIGH: '4',
      MLX_QUEUE_TIMEOUT_LOW: '5',
      HEARTH_SERVER_PORT: '6',
    };
    const flags = [{ flag: '--port', key: 'server.port', value: 7 }];
    const { config, settings } = load('[server]\nport = 8', { environment, flags });
    expect(config.server).toMatchObject({ adminPort: 1, port: 7 });
    expect(config.limits.queueTimeoutMs).toMatchObject({ high: 4000, low: 5000 });
    const sources = new Map(settings.map(({ path, source }) => [path, showSource(source)]));
    expect(sources.get('server.port')).toBe('flag --port');
    expect(sources.get('server.admin_port')).toBe('env HEARTH_SERVER_ADMIN_PORT');
    expect(sources.get('limits.queue_timeout_high_s')).toBe('alias HEARTH_QUEUE_TIMEOUT_HIGH');
    expect(sources.get('limits.queue_timeout_low_s')).toBe('alias MLX_QUEUE_TIMEOUT_LOW');
  });

  // SP-078
  test.each([
    ['MLX_REQUEST_TIMEOUT', '20', 'server', 'requestDeadlineMs', 20_000],
    ['MLX_MODEL_LOAD_TIMEOUT', '20', 'worker', 'loadTimeoutMs', 20_000],
    ['MLX_GRACEFUL_SHUTDOWN_TIMEOUT', '1.5', 'worker', 'drainTimeoutMs', 1500],
    ['MLX_MAX_CONCURRENT_REQUESTS', '3', 'modelDefaults', 'slots', 3],
    ['MLX_ADMIN_PORT', '9000', 'server', 'adminPort', 9000],
    ['MLX_QUEUE_REJECT_THRESHOLD', '50', 'limits', 'queueDepthMax', 50],
    ['MLX_QUEUE_MAX_DEPTH', '40', 'limits', 'queueDepthWarn', 40],
    ['MLX_IDLE_TIMEOUT', '300', 'modelDefaults', 'keepAliveMs', 300_000],
    ['HEARTH_STATE_DIR', '/s', 'paths', 'stateDir', '/s'],
    ['HEARTH_LLAMA_PATH', 'public', 'worker', 'llamaPath', 'public'],
    ['HF_HOME', '/hf', 'paths', 'modelsDir', '/hf/hearth'],
    ['HEARTH_TIER', '64', 'modelDefaults', 'slots', 10],
  ] as const)('the old variable %s is honoured', (name, text, section, key, value) => {
    const { config } = load('', { environment: { [name]: text } });
    expect((config[section] as Record<string, unknown>)[key]).toBe(value);
  });

  // SP-078
  test.each([
    ['MLX_LOG_DIR', '/var/log'],
    ['MLX_USE_STDIO', '1'],
  ])('%s, whose part is not built, is refused by name', (name, text) => {
    const [problem, ...others] = problemsOf('', { environment: { [name]: text } });
    expect(others).toEqual([]);
    expect(problem).toContain(`env ${name}: `);
    expect(problem).toContain('not built yet');
  });

  test('what asks for nothing is accepted also where the part is not built', () => {
    const environment = { MLX_USE_STDIO: '0', MLX_LOG_DIR: '' };
    expect(problemsOf('', { environment })).toEqual([]);
  });

  test("variables of others are not ours: MLX's own, and everything else", () => {
    const environment = { MLX_DISABLE_COMPILE: '1', PATH: '/bin', HEARTHSTONE: 'x' };
    expect(problemsOf('', { environment })).toEqual([]);
  });

  test('lists come from a variable with commas, booleans as people write them', () => {
    const environment = {
      HEARTH_SERVER_ALLOWED_HOSTS: ' a.local , b:8080,',
      HEARTH_SERVER_STRICT: 'On',
    };
    expect(load('', { environment }).config.server).toMatchObject({
      allowedHosts: ['a.local', 'b:8080'],
      strict: true,
    });
  });

  test.each([
    ['relative to the file', '[paths]\nstate_dir = "s"', {}, '/etc/h/s'],
    ['relative to the working folder in a variable', '', { HEARTH_STATE_DIR: 's' }, '/work/dir/s'],
    ['the home folder', '[paths]\nstate_dir = "~/s"', {}, '/home/u/s'],
    ['absolute', '[paths]\nstate_dir = "/s/./t"', {}, '/s/t'],
  ])('a path is %s', (_why, text, environment, path) => {
    expect(load(text, { environment }).config.paths.stateDir).toBe(path);
  });

  test('models keep their order and their own values', () => {
    const { config } = load(`
      [models.zebra]
      path = "z.gguf"
      threads = 2
      gpu = "off"
      defaults = { temperature = 0.2, top_p = 0.9, ignore_eos = true, max_tokens = 256 }
      [models."a/b:c.d"]
      path = "~/b.json"
      backend = "fake"
      slots = 8
      context_tokens = 512`);
    expect(config.models).toEqual([
      {
        name: 'zebra',
        path: '/etc/h/z.gguf',
        recycle: {},
        threads: 2,
        gpu: 'off',
        defaults: { temperature: 0.2, topP: 0.9, ignoreEos: true, maxTokens: 256 },
      },
      {
        name: 'a/b:c.d',
        path: '/home/u/b.json',
        recycle: {},
        backend: 'fake',
        slots: 8,
        contextTokens: 512,
        defaults: {},
      },
    ]);
  });

  test('localhost means both loopback addresses', () => {
    expect(load('[server]\nhost = "localhost"').config.server.hosts).toEqual(['127.0.0.1', '::1']);
  });
});

const KEY = `[[keys]]\nname = "k"\nsha256 = "${'a'.repeat(64)}"`;

describe('keys', () => {
  test('with all they may say, and with nothing but a name', () => {
    const { config } = load(`${KEY}
      priority_max = "normal"
      requests_per_minute = 1
      burst = 2
      tokens_per_minute = 3
      tokens_per_day = 4
      concurrency_max = 5
      models = ["a", "b/c"]
      expires_at = 2027-01-31
      admin = true
      [[keys]]
      name = "plain"
      sha256 = "${'b'.repeat(64)}"
      expires_at = "2027-01-31T12:00:00Z"`);
    expect(config.keys).toEqual([
      {
        name: 'k',
        sha256: 'a'.repeat(64),
        priorityMax: 'normal',
        limits: {
          requestsPerMinute: 1,
          burst: 2,
          tokensPerMinute: 3,
          tokensPerDay: 4,
          concurrencyMax: 5,
        },
        models: ['a', 'b/c'],
        isAdmin: true,
        expiresMs: Date.UTC(2027, 0, 31),
      },
      {
        name: 'plain',
        sha256: 'b'.repeat(64),
        priorityMax: 'high',
        limits: {},
        models: undefined,
        isAdmin: false,
        expiresMs: Date.UTC(2027, 0, 31, 12),
      },
    ]);
  });

  test('are shown by `config show` one by one, with the lines they stand on', () => {
    const { settings } = load(`${KEY}\nadmin = true`);
    const found = settings.find(({ path }) => path === 'keys.0.admin');
    expect(found).toMatchObject({ value: true, source: { kind: 'file', line: 4 } });
  });

  test('the variable with the key of our own clients is no setting', () => {
    expect(() => load('', { environment: { HEARTH_API_KEY: 'sk-hearth-x' } })).not.toThrow();
  });
});

describe('a bad configuration', () => {
  test.each([
    ['a misspelt key', '[server]\nprot = 1', ':2: unknown key "server.prot". Did you mean "port"?'],
    ['a misspelt section', '[limts]\nx = 1', ':1: unknown key "limts". Did you mean "limits"?'],
    ['a key of nothing we know', '[log]\nxyzzy = 1', ':2: unknown key "log.xyzzy". Remove it;'],
    [
      'a misspelt key of a model',
      '[models.a]\npath = "a"\ncontex_tokens = 1',
      ':3: unknown key "models.a.contex_tokens". Did you mean "context_tokens"?',
    ],
    [
      'a misspelt sampling default',
      '[models.a]\npath = "a"\n[models.a.defaults]\ntemprature = 1',
      ':4: unknown key "models.a.defaults.temprature". Did you mean "temperature"?',
    ],
    [
      'the wrong type',
      '[server]\nport = "x"',
      ':2: server.port = "x" is not accepted. Write a whole number from 0 to 65535.',
    ],
    ['a number out of range', '[server]\nport = 65536', ':2: server.port = 65536 is not accepted.'],
    ['a fraction of a port', '[server]\nport = 1.5', ':2: server.port = 1.5 is not accepted.'],
    [
      'a negative time',
      '[limits]\nqueue_timeout_low_s = -1',
      ':2: limits.queue_timeout_low_s = -1 is not accepted. Write a number from 0.001 to 86400.',
    ],
    [
      'an age that comes when the time is up',
      '[limits]\nqueue_timeout_low_s = 40\naged_after_low_s = 21',
      ':3: limits.aged_after_low_s = 21 cannot be more than half of queue_timeout_low_s, which is 40',
    ],
    [
      'a warning that comes too late',
      '[limits]\nqueue_depth_max = 10\nqueue_depth_warn = 11',
      ':3: limits.queue_depth_warn = 11 cannot be more than queue_depth_max, which is 10',
    ],
    ['infinity', '[limits]\nqueue_timeout_low_s = inf', ':2: limits.queue_timeout_low_s'],
    [
      'not one of the words',
      '[log]\nlevel = "warn"',
      ':2: log.level = "warn" is not accepted. Write one of "debug", "info", "warning", "error", "none".',
    ],
    ['a section that is no table', 'server = 3', ':1: server = 3 is not accepted. Write a table.'],
    ['a model without a path', '[models.a]\nslots = 1', ':1: models.a.path is missing.'],
    [
      'a model that is no table',
      '[models]\na = "x.gguf"',
      ':2: models.a = "x.gguf" is not accepted.',
    ],
    ['a model name that is none', '[models."../x"]\npath = "a"', ':1: "../x" is not a model name'],
    ['no slots', '[model_defaults]\nslots = 0', ':2: model_defaults.slots = 0 is not accepted.'],
    [
      'threads that are no number',
      '[model_defaults]\nthreads = "all"',
      'Write "auto" or a whole number from 1 to 1024.',
    ],
    [
      'a name to listen on',
      '[server]\nhost = "box.lan"',
      ':2: server.host = "box.lan" is not an address to listen on',
    ],
    [
      'one of several addresses',
      '[server]\nhost = ["::1", "192.168.1.2:80"]',
      ':2: server.host.1 = "192.168.1.2:80" is not an address to listen on',
    ],
    ['an origin with a path', '[server]\nallowed_origins = ["http://a.b/c"]', 'is not an origin'],
    ['a host with a scheme', '[server]\nallowed_hosts = ["http://a"]', 'is not a host name'],
    [
      'rate limiting',
      '[rate_limit]\nenabled = "yes"',
      ':2: rate_limit.enabled = "yes" is not accepted.',
    ],
    [
      'a key of rate limiting',
      '[rate_limit]\nburst = -3',
      ':2: rate_limit.burst = -3 is not accepted.',
    ],
    ['a key without a hash', '[[keys]]\nname = "x"', ':1: keys.0.sha256 is missing.'],
    [
      'a secret where its hash should stand',
      `[[keys]]\nname = "x"\nsha256 = "sk-hearth-secret"`,
      ':3: keys.0.sha256 = (not shown) is not the SHA-256 of a key',
    ],
    [
      'a misspelt key of a key',
      `${KEY}\nprioritymax = "low"`,
      ':4: unknown key "keys.0.prioritymax". Did you mean "priority_max"?',
    ],
    [
      'a key of a class that is none',
      `${KEY}\npriority_max = "urgent"`,
      ':4: keys.0.priority_max = "urgent" is not accepted. Write one of "high", "normal", "low".',
    ],
    [
      'a negative limit of a key',
      `${KEY}\ntokens_per_day = -1`,
      ':4: keys.0.tokens_per_day = -1 is not accepted. Write a whole number from 1 to 1000000000.',
    ],
    [
      'a huge limit of a key',
      `${KEY}\nrequests_per_minute = 1e300`,
      ':4: keys.0.requests_per_minute = 1e+300 is not accepted.',
    ],
    [
      'two keys of one name',
      `${KEY}\n${KEY.replace('a'.repeat(64), 'b'.repeat(64))}`,
      ':5: keys.1.name = "k" is not unique: key number 1 has the same name.',
    ],
    [
      'one secret under two names',
      `${KEY}\n${KEY.replace('"k"', '"l"')}`,
      'is not unique: key number 1 has the same sha256.',
    ],
    ['a key named like nobody', `${KEY.replace('"k"', '"local"')}`, 'callers who need no key'],
    [
      'a key that ends at a time without a place',
      `${KEY}\nexpires_at = 2027-01-31T12:00:00`,
      ':4: keys.0.expires_at = "2027-01-31T12:00:00.000" is not a time',
    ],
    [
      'a key that ends at no time',
      `${KEY}\nexpires_at = "soon"`,
      ':4: keys.0.expires_at = "soon" is not a time',
    ],
    [
      'a tier that there is not',
      '[tier]\nmemory_gb = 48',
      ':2: tier.memory_gb = 48 is not accepted. Write "auto" or one of 16, 32, 64.',
    ],
    [
      'a model that is kept for no time',
      '[model_defaults]\nkeep_alive_s = 0',
      ':2: model_defaults.keep_alive_s = 0 is not accepted. Write "forever" or a number from 0.001 to 2592000.',
    ],
    ['tool pools', '[pools.tools]\nsize = 4', ':1: pools: not built yet'],
    ['what is not TOML', '[server]\nport = = 3', ':2: this is not TOML'],
    ['a key twice', '[log]\nlevel = "info"\nlevel = "info"', ':3: this is not TOML'],
    ['a date', '[log]\nlevel = 2026-01-01', ':2: log.level'],
    ['a prototype', '[__proto__]\nx = 1', 'this is not TOML'],
  ])('%s', (_why, text, message) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('/etc/h/hearth.toml:');
    expect(problems[0]).toContain(message);
    expect(problems[0]).not.toContain('\n');
  });

  test.each([
    [
      'HEARTH_LOG_LEVL',
      'x',
      'env HEARTH_LOG_LEVL: no such setting. Did you mean HEARTH_LOG_LEVEL?',
    ],
    ['HEARTH_SERVER_PORT', 'http', 'env HEARTH_SERVER_PORT: server.port = "http" is not accepted.'],
    ['HEARTH_SERVER_STRICT', 'maybe', 'env HEARTH_SERVER_STRICT: server.strict = "maybe"'],
    [
      'HEARTH_RATE_LIMIT_ENABLED',
      'maybe',
      'env HEARTH_RATE_LIMIT_ENABLED: rate_limit.enabled = "maybe"',
    ],
    [
      'MLX_QUEUE_TIMEOUT_LOW',
      'soon',
      'alias MLX_QUEUE_TIMEOUT_LOW: limits.queue_timeout_low_s = "soon"',
    ],
  ])('the variable %s', (name, text, message) => {
    const problems = problemsOf('', { environment: { [name]: text } });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
  });

  test('names all problems at once, in the order of the lines', () => {
    const text = '[server]\nport = "x"\nprot = 1\n[log]\nlevel = 3\n[limits]\nqueue_depth_max = 0';
    expect(problemsOf(text).map((problem) => Number(problem.match(/toml:(\d+)/)?.[1]))).toEqual([
      2, 3, 5, 7,
    ]);
  });

  test('never fails in another way, whatever the file says', () => {
    const value = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.boolean(),
      fc.constant([]),
      fc.constant({}),
    );
    const table = fc.dictionary(fc.string({ maxLength: 8 }), value, { maxKeys: 4 });
    const sections = fc.constantFrom('server', 'limits', 'models', 'log', 'worker', 'keys', 'x');
    fc.assert(
      fc.property(fc.dictionary(sections, fc.oneof(table, value)), (document) => {
        const lines = Object.entries(document).map(([name, content]) => {
          return `${JSON.stringify(name)} = ${toInline(content)}`;
        });
        for (const problem of problemsOf(lines.join('\n'))) expect(problem).toMatch(/^\S+:\d+: /);
      }),
    );
  });
});

function toInline(value: unknown): string {
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, item]) => `${quote(key)} = ${toInline(item)}`);
    return `{ ${pairs.join(', ')} }`;
  }
  return typeof value === 'string' ? quote(value) : String(value);
}

/** JSON's escapes are TOML's, but for DEL, which TOML wants escaped. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}
