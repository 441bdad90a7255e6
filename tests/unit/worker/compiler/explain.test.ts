import { expect, test } from 'vitest';

import { acceptsText, makeMatcher } from '../../../../src/schema/gbnf/match.ts';
import { parseGrammar } from '../../../../src/schema/gbnf/parse.ts';
import { explainSchema } from '../../../../src/worker/compiler/explain.ts';

const LIMITS = { maxDepth: 20, maxGrammarBytes: 262_144, maxSchemaBytes: 65_536 };
const explain = (text: string, examples = 3) =>
  explainSchema(Buffer.from(text), { limits: LIMITS, examples }, { nowMs: () => 0 });

test('what is enforced has its size, and values that are in it and easily read', () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string' }, kind: { enum: ['a', 'b'] } },
    required: ['name', 'kind'],
    additionalProperties: false,
  };
  const { enforced, ...rest } = explain(JSON.stringify(schema, null, 2));
  expect(rest).toEqual({
    draft: 'unnamed',
    depth: 1,
    schemaBytes: JSON.stringify(schema).length,
    annotations: [],
    ms: 0,
  });
  const { grammar, grammarBytes, rules, examples } = enforced!;
  expect(grammarBytes).toBe(Buffer.byteLength(grammar));
  expect(rules).toBe(grammar.trimEnd().split('\n').length);
  expect(new Set(examples).size).toBe(3);
  const matcher = makeMatcher(parseGrammar(grammar));
  for (const example of examples) {
    expect(acceptsText(matcher, example)).toEqual({ ok: true });
    expect(example).toMatch(/^\{"name":"[a-z0-9]*","kind":"[ab]"\}$/);
  }
});

test('examples are the same each time, and no more than there are', () => {
  expect(explain('{"type":"string"}')).toEqual(explain('{"type":"string"}'));
  expect(explain('{"const":1}').enforced?.examples).toEqual(['1']);
  expect(explain('true', 0).enforced?.examples).toEqual([]);
});

test.each([
  ['{"pattern":"(?=a)","$schema":"http://json-schema.org/draft-07/schema#"}', 'pattern', '7'],
  ['{"enum":[]}', 'schema', 'unnamed'],
  ['{"$schema":"https://example.com"}', '$schema', undefined],
  ['{nonsense', 'schema', undefined],
  ['3', 'schema', 'unnamed'],
])('%s is refused by %s', (text, keyword, draft) => {
  const explained = explain(text);
  expect(explained).toMatchObject({ refused: { keyword, pointer: '' } });
  expect(explained.draft).toBe(draft);
  expect(explained).not.toHaveProperty('enforced');
});

test('what is refused has its annotations, too', () => {
  const text = '{"properties":{"a":{"format":"slug"},"b":{"format":"slug","pattern":"(?=a)"}}}';
  expect(explain(text)).toMatchObject({
    refused: { keyword: 'pattern', pointer: '/properties/b' },
    annotations: [{ keyword: 'format', pointer: expect.any(String), count: 2 }],
  });
});
