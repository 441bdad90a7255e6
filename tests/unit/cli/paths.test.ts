import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ensureStateDir, platformFolders } from '../../../src/cli/paths.ts';

describe('platformFolders', () => {
  const installed = { workDir: '/w', cloneDir: undefined };

  test.each([
    ['by default', {}, '/h/.config/hearth', '/h/.local/state/hearth', '/h/.cache/hearth/models'],
    [
      'with XDG variables',
      { XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/k' },
      '/c/hearth',
      '/s/hearth',
      '/k/hearth/models',
    ],
    [
      'with relative XDG values, which are to be ignored',
      { XDG_CONFIG_HOME: 'c', XDG_STATE_HOME: '' },
      '/h/.config/hearth',
      '/h/.local/state/hearth',
      '/h/.cache/hearth/models',
    ],
  ])('on Linux %s', (_how, variables, configDir, stateDir, modelsDir) => {
    const environment = { HOME: '/h', ...variables };
    expect(platformFolders(environment, { platform: 'linux', ...installed })).toMatchObject({
      homeDir: '/h',
      workDir: '/w',
      configDir,
      stateDir,
      modelsDir,
    });
  });

  test('on macOS, where XDG means nothing', () => {
    const environment = { HOME: '/h', XDG_STATE_HOME: '/s' };
    expect(platformFolders(environment, { platform: 'darwin', ...installed })).toMatchObject({
      configDir: '/h/Library/Application Support/Hearth',
      stateDir: '/h/Library/Application Support/Hearth/state',
      modelsDir: '/h/Library/Caches/Hearth/models',
    });
  });

  test('in a clone what is fetched lies in the clone', () => {
    const place = { platform: 'linux', workDir: '/w', cloneDir: '/clone' };
    expect(platformFolders({ HOME: '/h' }, place)).toMatchObject({
      cacheDir: '/clone/.cache',
      modelsDir: '/clone/.cache/models',
      stateDir: '/h/.local/state/hearth',
    });
  });
});

// MX-032
describe('ensureStateDir', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hearth-paths-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('makes it for its owner alone, and is content with it ever after', () => {
    const state = join(dir, 'a', 'b');
    ensureStateDir(state);
    ensureStateDir(state);
    expect(statSync(state).mode & 0o777).toBe(0o700);
  });

  test('refuses one that is open to others, and leaves it as it is', () => {
    chmodSync(dir, 0o755);
    expect(() => ensureStateDir(dir)).toThrow(
      `${dir}: others may look into it (mode 755, not 700)`,
    );
    expect(statSync(dir).mode & 0o777).toBe(0o755);
  });

  test('refuses what is no folder', () => {
    expect(() => ensureStateDir('/dev/null/state')).toThrow(
      'cannot use the state folder /dev/null/state',
    );
  });
});
