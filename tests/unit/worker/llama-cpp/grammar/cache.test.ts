import { beforeEach, describe, expect, test } from 'vitest';

import { GrammarCache } from '../../../../../src/worker/backends/llama-cpp/grammar/cache.ts';

let read: string[] = [];
beforeEach(() => {
  read = [];
});

function cache(limits?: { maxEntries?: number; maxChars?: number }) {
  const grammars = new GrammarCache((text) => {
    read.push(text);
    if (text === 'bad') throw new Error('bad grammar');
    return { text };
  }, limits);
  return (text: string) => grammars.get({ hash: `hash of ${text}`, text });
}

describe('GrammarCache, MX-005', () => {
  test('a grammar is read once, and is the same thing again', () => {
    const get = cache();
    expect(get('a')).toBe(get('a'));
    expect(read).toEqual(['a']);
  });

  test('it keeps the ten that were used last', () => {
    const get = cache();
    const names = [...'abcdefghij'];
    for (const name of names) get(name);
    get('a');
    get('k');
    for (const name of ['a', ...names.slice(2), 'k']) get(name);
    expect(read).toEqual([...names, 'k']);
    get('b');
    expect(read.at(-1)).toBe('b');
  });

  test('it keeps no more text than it may, and none that is longer alone', () => {
    const get = cache({ maxChars: 10 });
    get('aaaa');
    get('bbbb');
    get('cccc');
    get('aaaa');
    expect(read).toEqual(['aaaa', 'bbbb', 'cccc', 'aaaa']);
    get('x'.repeat(11));
    get('x'.repeat(11));
    get('cccc');
    expect(read.slice(4)).toEqual(['x'.repeat(11), 'x'.repeat(11)]);
  });

  test('one that cannot be read is not kept', () => {
    const get = cache({ maxEntries: 1 });
    expect(() => get('bad')).toThrow('bad grammar');
    get('a');
    expect(() => get('bad')).toThrow('bad grammar');
    get('a');
    expect(read).toEqual(['bad', 'a', 'bad']);
  });
});
