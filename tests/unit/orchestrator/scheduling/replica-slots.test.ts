import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { GenerationRequest } from '../../../../src/core/engine.ts';
import { PrefixMemory, trailOf } from '../../../../src/orchestrator/scheduling/prefix-memory.ts';
import { ReplicaSlots } from '../../../../src/orchestrator/scheduling/replica-slots.ts';

type Prompt = GenerationRequest['prompt'];

function chat(...texts: string[]): { readonly prompt: Prompt } {
  const messages = texts.map((text, index) => ({
    role: index % 2 === 0 ? ('user' as const) : ('assistant' as const),
    parts: [{ type: 'text' as const, text }],
  }));
  return { prompt: { messages } };
}

describe('where a request goes', () => {
  function two(): ReplicaSlots {
    const replicas = new ReplicaSlots();
    replicas.add(1, { slots: 2, spare: 1 });
    replicas.add(2, { slots: 2, spare: 1 });
    return replicas;
  }

  test('to the one with the most room, the older first', () => {
    const replicas = two();
    const order = [1, 2, 3, 4].map(() => {
      const place = replicas.placeFor(1, [], false)!;
      place.busyUnits += 1;
      return place.replica;
    });
    expect(order).toEqual([1, 2, 1, 2]);
    expect(replicas.placeFor(1, [], false)).toBeUndefined();
    expect(replicas.placeFor(1, [], true)?.replica).toBe(1);
  });

  test('to where its beginning was read, as long as there is room (row SP-326)', () => {
    const replicas = two();
    const [first, second] = [trailOf(chat('a')), trailOf(chat('a', 'b', 'c'))];
    replicas.placeFor(1, first, false)!.prefixes.read(first);
    const place = replicas.placeFor(1, first, false)!;
    place.busyUnits = 1;
    expect(replicas.placeFor(1, second, false)).toBe(place);
    expect(replicas.placeFor(1, trailOf(chat('x')), false)?.replica).toBe(2);
    place.busyUnits = 2;
    expect(replicas.placeFor(1, second, false)?.replica).toBe(2);
  });

  test('not to one that leaves; what it holds is counted until it ends', () => {
    const replicas = two();
    const place = replicas.placeFor(1, [], false)!;
    replicas.remove(place.replica);
    expect(replicas.has(place)).toBe(false);
    expect([replicas.total, replicas.free, replicas.largest]).toEqual([2, 2, 2]);
    expect(replicas.placeFor(1, [], false)?.replica).toBe(2);
  });
});

describe('trails', () => {
  test('of two prompts have in common what the prompts have, in whole messages or blocks', () => {
    const text = fc.string({ minLength: 0, maxLength: 1_500 });
    fc.assert(
      fc.property(text, text, text, (start, one, other) => {
        const [a, b] = [{ text: start + one }, { text: start + other }].map((prompt) =>
          trailOf({ prompt }),
        );
        const memory = new PrefixMemory();
        memory.read(a!);
        const depth = memory.depthOf(b!);
        expect(depth * 512).toBeLessThanOrEqual(start.length + Math.max(one.length, other.length));
        expect(depth).toBeGreaterThanOrEqual(Math.floor(start.length / 512));
        expect(a!.slice(0, depth)).toEqual(b!.slice(0, depth));
      }),
    );
  });

  test('tell tokens apart', () => {
    const tokens = Array.from({ length: 1_100 }, (_, index) => index);
    expect(trailOf({ prompt: { tokens } })).toHaveLength(2);
    const other = tokens.with(1_000, 7);
    expect(trailOf({ prompt: { tokens: other } })[0]).toBe(trailOf({ prompt: { tokens } })[0]);
    expect(trailOf({ prompt: { tokens: other } })[1]).not.toBe(trailOf({ prompt: { tokens } })[1]);
  });

  test('are forgotten, the oldest first', () => {
    const memory = new PrefixMemory();
    const first = trailOf(chat('first'));
    memory.read(first);
    for (let index = 0; index < 1_024; index++) memory.read(trailOf(chat(`later ${index}`)));
    expect(memory.depthOf(first)).toBe(0);
  });
});
