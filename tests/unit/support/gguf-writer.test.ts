import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Template } from '@huggingface/jinja';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { CORRUPTIONS, type CorruptionName, writeCorruptGguf } from '../../support/corrupt-gguf.ts';
import { countParameters, writeGguf } from '../../support/gguf-writer.ts';
import { PRESETS } from '../../support/gguf-writer-presets.ts';
import { CHAT_TEMPLATE, makeVocabulary } from '../../support/gguf-writer-vocabulary.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-gguf-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('random-weight GGUF files', () => {
  test('the presets have the sizes their table promises', () => {
    const millions = Object.fromEntries(
      Object.entries(PRESETS).map(([name, spec]) => [name, countParameters(spec) / 1e6]),
    );
    expect(millions.a).toBeCloseTo(0.92, 2);
    expect(millions.b).toBeCloseTo(25.8, 1);
    expect(millions.c).toBeCloseTo(114.9, 1);
    expect(millions.d).toBeCloseTo(651.2, 1);
  });

  test('the same seed writes the same bytes, another seed does not', async () => {
    const [one, two, other] = ['one', 'two', 'other'].map((name) => join(folder, name));
    await writeGguf(one!, PRESETS.tiny);
    await writeGguf(two!, PRESETS.tiny);
    await writeGguf(other!, { ...PRESETS.tiny, seed: 2 });
    const bytes = await readFile(one!);
    expect(bytes.length).toBeLessThanOrEqual(1_000_000);
    expect(bytes.equals(await readFile(two!))).toBe(true);
    expect(bytes.equals(await readFile(other!))).toBe(false);
  });

  test.each(['F32', 'F16', 'Q8_0'] as const)(
    '%s: data begins and ends aligned',
    async (weights) => {
      const path = join(folder, weights);
      await writeGguf(path, { ...PRESETS.tiny, weights });
      const bytes = await readFile(path);
      expect(bytes.subarray(0, 4).toString()).toBe('GGUF');
      expect(bytes.readUInt32LE(4)).toBe(3);
      expect(bytes.length % 32).toBe(0);
    },
  );

  test('a shape that cannot be loaded is refused', async () => {
    const odd = writeGguf(join(folder, 'odd'), {
      ...PRESETS.tiny,
      weights: 'Q8_0',
      feedForward: 190,
    });
    await expect(odd).rejects.toThrow('blocks of 32');
    const heads = writeGguf(join(folder, 'heads'), { ...PRESETS.tiny, keyValueHeads: 3 });
    await expect(heads).rejects.toThrow('4 heads do not share 3');
  });

  test.each(Object.keys(CORRUPTIONS) as CorruptionName[])(
    '%s differs from the whole file',
    async (name) => {
      const whole = join(folder, 'whole');
      await writeGguf(whole, PRESETS.tiny);
      const broken = await readFile(await writeCorruptGguf(folder, name));
      expect(broken.equals(await readFile(whole))).toBe(false);
    },
  );
});

describe('vocabulary', () => {
  test('tokens are distinct and every merge joins two of them', () => {
    const { tokens, types, merges } = makeVocabulary(64_000);
    const known = new Set(tokens);
    expect(known.size).toBe(64_000);
    expect(types).toHaveLength(64_000);
    const isJoin = (merge: string) => {
      const [left, right] = merge.split(' ');
      return known.has(left!) && known.has(right!) && known.has(left! + right!);
    };
    expect(merges.every(isJoin)).toBe(true);
  });

  test('sizes it cannot make are refused', () => {
    expect(makeVocabulary(264).merges).toHaveLength(0);
    expect(() => makeVocabulary(263)).toThrow('at least 264');
    expect(() => makeVocabulary(1_000_000)).toThrow('1000000');
  });
});

describe('chat template', () => {
  const template = new Template(CHAT_TEMPLATE);
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hello' },
  ];

  test('renders ChatML', () => {
    expect(template.render({ messages, add_generation_prompt: true })).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  test('renders tools, calls and their answers', () => {
    const text = template.render({
      messages: [
        ...messages,
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ function: { name: 'now', arguments: '{"zone":"UTC"}' } }],
        },
        { role: 'tool', content: '12:00' },
      ],
      tools: [{ type: 'function', function: { name: 'now' } }],
    });
    expect(text).toContain('Be brief.\n\n# Tools');
    expect(text).toContain(
      '<tool_call>\n{"name": "now", "arguments": {"zone":"UTC"}}\n</tool_call>',
    );
    expect(text).toContain('<tool_response>\n12:00\n</tool_response>');
  });
});
