import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

import { generatedFiles } from '../../../scripts/generated-files.ts';
import { ALIASES } from '../../../src/config/aliases.ts';
import { configurationPage, exampleToml } from '../../../src/config/document.ts';
import { listKeys } from '../../../src/config/keys.ts';
import { loadConfig } from '../../../src/config/load.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folders = { homeDir: '/h', workDir: '/w', configDir: '/c', stateDir: '/s', modelsDir: '/m' };
const bare = { environment: {}, folders, memoryBytes: 32e9 };

describe('generated files', () => {
  test.each([...generatedFiles().keys()])('%s is what `npm run generate` writes', (path) => {
    const file = `${root}${path}`;
    expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(generatedFiles().get(path));
  });
});

describe('the example file', () => {
  const load = (text: string) => loadConfig({ ...bare, file: { path: '/w/hearth.toml', text } });

  test('changes nothing as it is', () => {
    expect(load(exampleToml()).config).toEqual(loadConfig(bare).config);
  });

  test('is accepted with every key switched on, and then names every key there is', () => {
    const text = exampleToml().replaceAll(/^#(?! )/gm, '');
    const { settings } = load(text);
    const named = new Set(
      settings
        .filter(({ source }) => source.kind === 'file')
        .map(({ path }) => path.replace('models.small', 'models.NAME').replace('keys.0', 'keys')),
    );
    expect([...named].sort()).toEqual(
      listKeys()
        .map(({ path }) => path)
        .sort(),
    );
  });

  test('shows the defaults that hold', () => {
    const text = exampleToml()
      .replaceAll(/^#(?! )/gm, '')
      .replace(/\[models\.small\][\s\S]*/, '')
      .replace(/\[\[keys\]\][\s\S]*/, '')
      .replaceAll(/^(state_dir|models_dir|recycle_[a-z_]+).*$/gm, '');
    expect(load(text).config).toEqual(loadConfig(bare).config);
  });
});

describe('the page', () => {
  test('names every key and every short variable', () => {
    const page = configurationPage();
    for (const { key } of listKeys()) expect(page).toContain(`\`${key}\``);
    for (const { name } of ALIASES) expect(page).toContain(`\`${name}\``);
  });

  test('every key is described, and has its unit in the name where it has one', () => {
    for (const { path, key, description, expected } of listKeys()) {
      expect(description, path).not.toBe('');
      if (expected.startsWith('a number from 0.001')) expect(key).toMatch(/_s$/);
    }
  });

  test('every alias sets a key that exists, or says what is missing', () => {
    const paths = new Set(listKeys().map(({ path }) => path));
    for (const { key, missing } of ALIASES) {
      expect(key === undefined ? missing !== undefined : paths.has(key)).toBe(true);
    }
  });
});
