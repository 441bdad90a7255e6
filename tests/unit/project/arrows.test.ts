/**
 * The folder tree is the import graph. The table below is the one of the house rules; a change of
 * it is a change of the architecture and needs a decision page.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

import { type Arrows, findBreaches, findCycles, parseImports, type Source } from './imports.ts';

const ARROWS: Arrows = {
  core: { values: [] },
  config: { values: ['core'] },
  ipc: { values: ['core'] },
  schema: { values: ['core'] },
  models: { values: ['core'] },
  keys: { values: ['core'] },
  dialect: { values: ['core', 'schema'] },
  worker: { values: ['core', 'ipc', 'schema', 'dialect'] },
  orchestrator: { values: ['core', 'ipc', 'models', 'dialect'], types: ['config'] },
  workflow: { values: ['core', 'schema', 'dialect'] },
  api: { values: ['core', 'schema', 'dialect'] },
  console: { values: [] },
  cli: { values: 'everything' },
};

const src = fileURLToPath(new URL('../../../src/', import.meta.url));

function readSources(): readonly Source[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => ({ path, text: readFileSync(`${src}${path}`, 'utf8') }));
}

describe('the sources', () => {
  const sources = readSources();

  test('exist', () => {
    expect(sources.length).toBeGreaterThan(5);
  });

  test('import along the arrows of the house only', () => {
    expect(findBreaches(sources, ARROWS)).toEqual([]);
  });

  test('have no import cycles', () => {
    expect(findCycles(sources)).toEqual([]);
  });

  test('have names in kebab-case', () => {
    const names = sources.map(({ path }) => path.split('/').at(-1)!);
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.ts$/.test(name))).toEqual([]);
  });
});

describe('the reader of imports', () => {
  test('sees every form', () => {
    const text = [
      "import { a } from './a.ts';",
      'import type { B } from "../core/b.ts";',
      "import './c.ts';",
      "export { d } from './d.ts';",
      'import {',
      '  e,',
      "} from './e.ts';",
      "const f = await import('./f.ts');",
      "const g = new URL('./g.ts', import.meta.url);",
    ].join('\n');
    expect(parseImports(text)).toEqual([
      { specifier: './a.ts', line: 1, isType: false },
      { specifier: '../core/b.ts', line: 2, isType: true },
      { specifier: './c.ts', line: 3, isType: false },
      { specifier: './d.ts', line: 4, isType: false },
      { specifier: './e.ts', line: 5, isType: false },
      { specifier: './f.ts', line: 8, isType: false },
      { specifier: './g.ts', line: 9, isType: false },
    ]);
  });

  test('is not fooled by comments, strings, templates, regular expressions and plain URLs', () => {
    const text = [
      "// import { a } from './a.ts';",
      "/* export { b } from './b.ts'; */",
      'const c = "import(\'./c.ts\')";',
      "const d = `import './d.ts' $" + '{e({ f: `}` })} process.env`;',
      "const g = /['\"`] import '.\\/g.ts'/.test(h);",
      "const i = new URL('./i.ts', base);",
    ].join('\n');
    expect(parseImports(text)).toEqual([]);
    expect(findBreaches([{ path: 'core/a.ts', text }], ARROWS)).toEqual([]);
  });
});

describe('a breach is named', () => {
  const breachesOf = (path: string, text: string) =>
    findBreaches(
      [
        { path, text },
        { path: 'api/app.ts', text: '' },
        { path: 'config/schema.ts', text: '' },
      ],
      ARROWS,
    );

  test.each([
    [
      'a forbidden arrow',
      'core/a.ts',
      "import { app } from '../api/app.ts';",
      ['core/a.ts:1: core may not import api ("../api/app.ts")'],
    ],
    [
      'a value where only types may cross',
      'orchestrator/a.ts',
      "import { s } from '../config/schema.ts';",
      [
        'orchestrator/a.ts:1: orchestrator may not import values of config, only its types ("../config/schema.ts")',
      ],
    ],
    [
      'a type where types may cross',
      'orchestrator/a.ts',
      "import type { S } from '../config/schema.ts';",
      [],
    ],
    [
      'a missing ending',
      'api/a.ts',
      "import { app } from './app';",
      ['api/a.ts:1: "./app" has no ".ts" ending; name the file as it is'],
    ],
    [
      'the ending of the built file',
      'api/a.ts',
      "import { app } from './app.js';",
      ['api/a.ts:1: "./app.js" has no ".ts" ending; name the file as it is'],
    ],
    [
      'the environment outside cli',
      'worker/a.ts',
      '\nconst path = process.env.PATH;',
      ['worker/a.ts:2: process.env belongs in src/cli; have the value handed down'],
    ],
    [
      'the console outside cli',
      'worker/a.ts',
      'console.error(1);',
      ['worker/a.ts:1: console.error( belongs in src/cli; have the value handed down'],
    ],
    ['the environment in cli', 'cli/a.ts', 'console.log(process.env.PATH);', []],
    [
      'a folder that nobody has placed',
      'utils/a.ts',
      "import { app } from '../api/app.ts';",
      [
        'utils/a.ts:1: the folder "utils" is not in the table of arrows; add it there or move the file',
      ],
    ],
  ])('%s', (_, path, text, expected) => {
    expect(breachesOf(path, text)).toEqual(expected);
  });

  test('a ring of imports, types included', () => {
    const sources = [
      { path: 'api/a.ts', text: "import { b } from './b.ts';" },
      { path: 'api/b.ts', text: "import type { C } from './sub/c.ts';" },
      { path: 'api/sub/c.ts', text: "import '../a.ts';" },
      { path: 'api/d.ts', text: "import './b.ts';" },
    ];
    expect(findCycles(sources)).toEqual(['api/a.ts → api/b.ts → api/sub/c.ts → api/a.ts']);
  });
});
