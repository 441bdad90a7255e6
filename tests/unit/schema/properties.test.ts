/**
 * What must hold for every schema that is not refused, on random ones. The oracle is Ajv as the final check
 * sets it up, which knows nothing of grammars; where it cannot judge (`unchecked`), nothing is said.
 *
 * The seed is fixed, so that a run says the same twice. To search on, change SEED and raise MORE.
 */
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';

import { compileSchema } from '../../../src/schema/compile.ts';
import { GrammarError } from '../../../src/schema/gbnf/error.ts';
import { assertAffordable } from '../../../src/schema/gbnf/lint.ts';
import { acceptsText, makeMatcher } from '../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../src/schema/gbnf/parse.ts';
import { seededRandom } from '../../../src/schema/gbnf/seeded-random.ts';
import { DIALECTS, spelledIn } from '../../support/random-dialect.ts';
import { type Keywords, schemas, withDefinitions } from '../../support/random-schema.ts';
import {
  compareOn,
  hasValue,
  isCalledEmpty,
  isNarrowed,
  mutated,
  type Subject,
  sentencesOf,
  subjectOf,
  validatorOf,
  validNear,
} from '../../support/schema-subject.ts';

const SEED = 20_261_122;
/** How many times the usual number of schemas. */
const MORE = 1;
const DEPTH = 2;
const SENTENCES = 6;
const MUTANTS = 3;
const VALUES = 10;

const seen = { schemas: 0, compiled: 0, sentences: 0, mutants: 0, values: 0 };
afterAll(() => console.log(`seed ${SEED}: ${JSON.stringify(seen)}`));

const documents = fc.tuple(schemas(DEPTH), fc.nat());
const options = (runs: number) => ({ seed: SEED, numRuns: runs * MORE });

/** `schema` in the words of some draft that can say it, named or not. */
function spelledAnyhow(schema: Keywords, seed: number): Keywords {
  const dialect = DIALECTS[seed % DIALECTS.length]!;
  return spelledIn(dialect, schema, { isNamed: seed % 3 > 0 }) ?? schema;
}

function compiled(schema: Keywords, spelled: unknown = schema): Subject | undefined {
  seen.schemas++;
  const subject = subjectOf(schema, spelled);
  if (subject !== undefined) seen.compiled++;
  return subject;
}

describe('of random schemas, in the words of every draft (MX-003, MX-007)', () => {
  test('what is accepted is JSON and valid, and what is valid is accepted', async () => {
    await fc.assert(
      fc.asyncProperty(documents, async ([schema, seed]) => {
        const spelled = spelledAnyhow(schema, seed);
        const subject = compiled(schema, spelled);
        const about = (what: string) => `${what}\n${JSON.stringify(spelled)}`;
        const judge = await validatorOf(schema);
        const random = seededRandom(seed);
        if (subject === undefined) {
          if (!isCalledEmpty(spelled)) return;
          const valid = validNear(schema, judge, { random, count: VALUES });
          expect(valid, about('valid where nothing should be')).toEqual([]);
          return;
        }
        for (const sentence of sentencesOf(subject, random, SENTENCES)) {
          seen.sentences++;
          expect(judge(JSON.parse(sentence)), about(sentence)).not.toBe('invalid');
          let mutant = sentence;
          for (let i = 0; i < MUTANTS; i++) {
            const next = mutated(mutant, random);
            if (next === mutant || !acceptsText(subject.matcher, next).ok) continue;
            mutant = next;
            seen.mutants++;
            expect(judge(JSON.parse(mutant)), about(mutant)).not.toBe('invalid');
          }
        }
        const values = compareOn(subject, judge, { random, count: VALUES });
        seen.values += values.valid;
        expect(values.wrong, about('accepted and not valid')).toEqual([]);
        expect(values.missed, about('valid and not accepted')).toEqual([]);
      }),
      options(1_000),
    );
    // Or the test says little.
    expect(seen.compiled / seen.schemas).toBeGreaterThan(0.6);
    expect(seen.values).toBeGreaterThan(seen.schemas);
    expect(seen.mutants).toBeGreaterThan(seen.schemas / 10);
  });

  test('the same schema gives the same text', () => {
    fc.assert(
      fc.property(documents, ([schema, seed]) => {
        const spelled = spelledAnyhow(schema, seed);
        const first = compiled(schema, spelled)?.compiled.grammar;
        if (first === undefined) return;
        expect(compileSchema(spelled).grammar).toBe(first);
        expect(compileSchema(structuredClone(spelled)).grammar).toBe(first);
      }),
      options(200),
    );
  });

  test('the grammar is read without a doubt, and is no more than too large', () => {
    fc.assert(
      fc.property(documents, ([schema]) => {
        const subject = compiled(schema);
        if (subject === undefined) return;
        expect(subject.matcher.grammar.oddities).toEqual({
          redefined: [],
          undefined: [],
          unbounded: [],
        });
        try {
          assertAffordable(subject.compiled.grammar);
        } catch (error) {
          expect(error).toBeInstanceOf(GrammarError);
        }
      }),
      options(200),
    );
  });
});

/** Each has what the other has, as far as it is drawn, in whatever order of keys. */
function expectSame(one: Subject, other: Subject, seed: number): void {
  const random = seededRandom(seed);
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    for (const sentence of sentencesOf(from, random, SENTENCES)) {
      const value = JSON.parse(sentence);
      // Two ways to say a set may leave out other numbers.
      if (isNarrowed(value, from.schema)) continue;
      const isThere = acceptsText(to.matcher, sentence).ok || hasValue(to, value);
      const about = `${sentence}\n${JSON.stringify(from.schema)}\n${JSON.stringify(to.schema)}`;
      expect(isThere, about).toBe(true);
    }
  }
}

/** Those of the ways to say a schema that are not refused all say the same. */
function expectAllSame(ways: readonly Keywords[], seed: number): void {
  const [first, ...others] = ways.map((way) => compiled(way)).filter((one) => one !== undefined);
  if (first === undefined) return;
  for (const other of others) expectSame(first, other, seed);
}

describe('the same set said in other ways', () => {
  test('an intersection has no order, and with itself it is itself', () => {
    fc.assert(
      fc.property(documents, ([{ $defs, ...root }, seed]) => {
        const { a, b } = $defs as { a: Keywords; b: Keywords };
        const defs = { a, b };
        expectAllSame(
          [
            withDefinitions({ allOf: [root, a] }, defs),
            withDefinitions({ allOf: [a, root] }, defs),
            withDefinitions({ allOf: [a, root, a] }, defs),
          ],
          seed,
        );
        expectAllSame([withDefinitions(a, defs), withDefinitions({ allOf: [a, a] }, defs)], seed);
      }),
      options(150),
    );
  });

  test('wrapped, referred to, listed or denied twice', () => {
    fc.assert(
      fc.property(documents, ([{ $defs, ...root }, seed]) => {
        const { a, b } = $defs as { a: Keywords; b: Keywords };
        const defs = { a, b };
        const listed = 'type' in root ? { ...root, type: [root.type].flat() } : root;
        expectAllSame(
          [
            withDefinitions(root, defs),
            withDefinitions(listed, defs),
            withDefinitions({ allOf: [root] }, defs),
            withDefinitions({ anyOf: [root] }, defs),
            withDefinitions({ oneOf: [root] }, defs),
            withDefinitions({ $ref: '#/$defs/c' }, { ...defs, c: root }),
            withDefinitions({ not: { not: root } }, defs),
          ],
          seed,
        );
      }),
      options(100),
    );
  });
});

test('one character class that is changed changes the verdict', () => {
  const { grammar } = compileSchema({ type: 'string', pattern: '^[a-f]+$' });
  const changed = grammar.replace('[a-f]', '[a-e]');
  expect(changed).not.toBe(grammar);
  const verdict = (text: string) => acceptsText(makeMatcher(parseGrammar(text)), '"f"').ok;
  expect([verdict(grammar), verdict(changed)]).toEqual([true, false]);
});
