import fc from 'fast-check';
import { expect, test } from 'vitest';

import { lastLine, OutputLines } from '../../../../src/orchestrator/replica/output-lines.ts';

test.each([
  ['plain lines', 'a\nb\n', ['a', 'b']],
  ['carriage returns and blank lines', 'a\r\n\r\n  \nb', ['a', 'b']],
  ['colours and control characters', '\u001b[31mred\u001b[0m\u0000\u0007\n', ['red']],
  ['a last line without an end', 'a\nlast', ['a', 'last']],
  ['nothing', '', []],
])('%s', (_why, text, lines) => {
  const output = new OutputLines();
  expect([...output.push(Buffer.from(text)), ...output.end()]).toEqual(lines);
});

test('a line without an end is cut, and memory is bounded', () => {
  const output = new OutputLines();
  let cut = 0;
  for (let index = 0; index < 100; index++) cut += output.push(Buffer.alloc(1_000, 'x')).length;
  expect(cut).toBeGreaterThan(30);
  expect(output.tail).toHaveLength(4_096);
});

test('any split of the bytes gives the same lines', () => {
  const text = fc.array(fc.constantFrom('é', '日本', '🦔', ' a', '\n', 'b\r\n'), { maxLength: 60 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(200), { maxLength: 20 }), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''));
      const whole = new OutputLines();
      const expected = [...whole.push(bytes), ...whole.end()];
      const output = new OutputLines();
      const points = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length];
      points.sort((one, two) => one - two);
      const lines = points.slice(1).flatMap((end, index) => {
        return output.push(bytes.subarray(points[index], end));
      });
      expect([...lines, ...output.end()]).toEqual(expected);
    }),
  );
});

test('the last line that says something is the reason', () => {
  expect(lastLine('loading\nGGML_ASSERT(n_head > 0) failed\n\n')).toBe(
    'GGML_ASSERT(n_head > 0) failed',
  );
  expect(lastLine('\n \n')).toBeUndefined();
});
