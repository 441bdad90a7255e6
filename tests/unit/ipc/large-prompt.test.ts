import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { packToWorker, unpackToWorker } from '../../../src/ipc/large-prompt.ts';
import { type GenerateMessage, LARGE_BYTES } from '../../../src/ipc/protocol.ts';
import { generateMessage } from '../worker/generate-message.ts';

const text = fc.string({ unit: 'binary', maxLength: 40 });
const message = fc.record({
  role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool'),
  parts: fc.array(fc.record({ type: fc.constant('text' as const), text }), { maxLength: 2 }),
  name: fc.option(text, { nil: undefined }),
  toolCallId: fc.option(text, { nil: undefined }),
  toolCalls: fc.option(fc.array(fc.record({ id: text, name: text, arguments: text })), {
    nil: undefined,
  }),
}) satisfies fc.Arbitrary<unknown>;

/** Prompts around the border: so many copies of something small. */
const times = fc.integer({ min: 100, max: 6_000 });
const prompt: fc.Arbitrary<GenerateMessage['prompt']> = fc.oneof(
  fc.tuple(message, times).map(([one, count]) => ({ messages: new Array(count).fill(one) })),
  fc.tuple(text, times).map(([one, count]) => ({ text: one.repeat(count) })),
  fc.tuple(fc.nat({ max: 20_000_000 }), times).map(([id, count]) => ({
    tokens: new Array(count * 8).fill(id),
  })),
);

describe('packToWorker', () => {
  it('takes a prompt out of its message when its JSON is larger than 256 KiB, and only then', () => {
    fc.assert(
      fc.property(prompt, (one) => {
        const whole = { ...generateMessage(3, ''), prompt: one };
        const { message: said, payload } = packToWorker(whole);
        const json = Buffer.from(JSON.stringify(one));
        expect(payload !== undefined).toBe(json.length > LARGE_BYTES);
        if (payload === undefined) {
          expect(said).toBe(whole);
          return;
        }
        expect(json.equals(payload)).toBe(true);
        const announced = { ...said, payload: { id: 1, bytes: payload.length } };
        const back = unpackToWorker(announced as never, payload);
        expect(JSON.stringify(back)).toBe(JSON.stringify({ ...said, prompt: one }));
      }),
      { numRuns: 60 },
    );
  });

  it('leaves all other messages as they are', () => {
    const cancel = { type: 'cancel', call: 1 } as const;
    expect(packToWorker(cancel)).toEqual({ message: cancel, payload: undefined });
  });
});
