/** A request with which two workers died is refused for a minute, however it is sent again. Fault 29. */
import { expect, test } from 'vitest';

import type { GenerationRequest } from '../../../src/core/engine.ts';
import { PoisonList } from '../../../src/orchestrator/poison.ts';
import { GREEDY } from '../../support/greedy.ts';

function request(text: string, more: Partial<GenerationRequest> = {}): GenerationRequest {
  return { model: 'm', prompt: { text }, sampling: GREEDY, stops: [], ...more };
}

test('two deaths make poison, for a minute after the second', () => {
  const list = new PoisonList();
  expect(list.died(request('x'), 'death 1', 0)).toBe(false);
  expect(list.refusedForMs(request('x'), 1)).toBe(0);
  expect(list.died(request('x'), 'death 2', 50_000)).toBe(true);
  expect(list.refusedForMs(request('x'), 50_001)).toBe(59_999);
  expect(list.refusedForMs(request('x'), 110_000)).toBe(0);
  expect(list.died(request('x'), 'death 3', 110_001)).toBe(false);
});

test('deaths that lie more than a minute apart have nothing to do with each other', () => {
  const list = new PoisonList();
  expect(list.died(request('x'), 'death 1', 0)).toBe(false);
  expect(list.died(request('x'), 'death 2', 60_000)).toBe(false);
});

test('another seed is the same request, another prompt or model is not', () => {
  const list = new PoisonList();
  list.died(request('x'), 'death 1', 0);
  list.died(request('x', { sampling: { ...GREEDY, seed: 7 } }), 'death 2', 0);
  expect(list.refusedForMs(request('x', { sampling: { ...GREEDY, seed: 8 } }), 0)).toBe(60_000);
  expect(list.refusedForMs(request('y'), 0)).toBe(0);
  expect(list.refusedForMs(request('x', { model: 'n' }), 0)).toBe(0);
});

test('two of one prompt that are lost in one death have died once', () => {
  const list = new PoisonList();
  const death = new Error('one');
  expect([list.died(request('x'), death, 0), list.died(request('x'), death, 0)]).toEqual([
    false,
    false,
  ]);
  expect(list.died(request('x'), new Error('two'), 1)).toBe(true);
});

test('no more than a few hundred are remembered', () => {
  const list = new PoisonList();
  for (let i = 0; i < 300; i++) {
    for (const death of ['a', 'b']) list.died(request(`${i}`), `${death} ${i}`, 0);
  }
  expect(list.refusedForMs(request('299'), 0)).toBe(60_000);
  expect(list.refusedForMs(request('0'), 0)).toBe(0);
});
