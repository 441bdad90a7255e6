/**
 * The JSON-Schema-Test-Suite, required part of draft 2020-12: what is not refused is exactly right, but for
 * the cases that want formats not to be enforced.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, expect, test } from 'vitest';

import { compileSchema, UNSATISFIABLE } from '../../src/schema/compile.ts';
import { acceptsText, makeMatcher } from '../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../src/schema/gbnf/parse.ts';
import { UnsupportedSchema } from '../../src/schema/unsupported.ts';

const ARCHIVE = fileURLToPath(
  new URL('../../../shared/data/json-schema-test-suite.tar.xz', import.meta.url),
);
const LIMITS = { maxDepth: 64, maxGrammarBytes: 256 * 1024 };
/** They demand that `format` be an annotation; here ten formats are enforced. */
const ANNOTATION = /is only an annotation by default$/;
const PASSED_MIN = 940;

interface Group {
  readonly description: string;
  readonly schema: unknown;
  readonly tests: readonly {
    readonly description: string;
    readonly data: unknown;
    readonly valid: boolean;
  }[];
}

const folder = mkdtempSync(join(tmpdir(), 'hearth-suite-'));
afterAll(() => rmSync(folder, { recursive: true }));

const isThere = existsSync(ARCHIVE);
if (!isThere) console.log('skipped: the JSON-Schema-Test-Suite is not beside the project');

test.skipIf(!isThere)('nothing invalid is accepted, and nothing valid is rejected', () => {
  execFileSync('tar', ['-xf', ARCHIVE, '-C', folder]);
  const suite = join(folder, 'tests/draft2020-12');
  const wrong: string[] = [];
  let passed = 0;
  for (const file of readdirSync(suite).filter((name) => name.endsWith('.json'))) {
    for (const group of JSON.parse(readFileSync(join(suite, file), 'utf8')) as Group[]) {
      const accepts = acceptor(group.schema);
      if (accepts === undefined) continue;
      for (const { description, data, valid } of group.tests) {
        if (accepts(data) === valid) passed++;
        else if (!ANNOTATION.test(description)) wrong.push(`${group.description}: ${description}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(passed).toBeGreaterThanOrEqual(PASSED_MIN);
});

/** Undefined for a schema that is refused; one that nothing satisfies rejects everything. */
function acceptor(schema: unknown): ((value: unknown) => boolean) | undefined {
  try {
    const { grammar, textOf } = compileSchema(schema, LIMITS);
    const matcher = makeMatcher(parseGrammar(grammar));
    return (value) =>
      acceptsText(matcher, JSON.stringify(value)).ok || acceptsText(matcher, textOf(value)).ok;
  } catch (error) {
    if (!(error instanceof UnsupportedSchema)) throw error;
    return error.why === UNSATISFIABLE ? () => false : undefined;
  }
}
