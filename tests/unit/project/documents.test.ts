/** What the documents point to must exist: files they link, scripts and sources they name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};
/** Made when they are used. */
const MADE = /^bench\/results\b/;

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

describe.each(documents)('%s', (name) => {
  const text = readFileSync(join(root, name), 'utf8');

  test('links to files that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, link]) => link!);
    const dead = links.filter(
      (link) =>
        !existsSync(join(root, dirname(name), link)) &&
        !existsSync(join(root, dirname(name), `${link}.md`)),
    );
    expect(dead).toEqual([]);
  });

  test('names files of this repository that exist', () => {
    const paths = [
      ...text.matchAll(/`((?:src|tests|docs|config|scripts|bench|bin|tools)\/[\w./-]+)`/g),
    ].map(([, path]) => path!);
    const unknown = paths.filter((path) => !MADE.test(path) && !existsSync(join(root, path)));
    expect(unknown).toEqual([]);
  });

  test('names npm scripts that exist', () => {
    const named = [...text.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(
      ([, script]) => script!,
    );
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });
});
