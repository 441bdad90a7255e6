import { expect, test } from 'vitest';

import { MODEL_NAME } from '../../../../src/core/model-name.ts';
import { parseReference } from '../../../../src/models/pull/reference.ts';
import { SHORT_NAMES } from '../../../../src/models/pull/short-names.ts';

test.each(SHORT_NAMES)('$name is a name, of a reference that can be one, with its facts', (one) => {
  expect(one.name).toMatch(MODEL_NAME);
  const { repository, quant } = one;
  const reference = `${repository}:${quant}`;
  const parsed = parseReference(reference, new URL('https://huggingface.co'));
  expect(parsed).toMatchObject({ repository, quant });
  expect(one.aboutMemoryBytes).toBeGreaterThan(one.aboutBytes);
  expect(one.licence).not.toBe('');
});

test('they stand from small to large', () => {
  const sizes = SHORT_NAMES.map(({ aboutBytes }) => aboutBytes);
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
});
