/** What a model took is known the next time, for the same file loaded in the same way. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import type { ModelSpec } from '../../../../src/models/spec.ts';
import { MemoryBook } from '../../../../src/orchestrator/memory/memory-book.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hearth-memory-'));
  writeFileSync(join(dir, 'm.gguf'), 'GGUF');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function spec(more: Partial<ModelSpec> = {}): ModelSpec {
  return {
    name: 'm',
    backend: 'llama-cpp',
    path: join(dir, 'm.gguf'),
    slots: 4,
    replicas: 1,
    recycle: {},
    highSpare: 1,
    contextTokens: 8192,
    threads: 2,
    preload: true,
    keepAliveMs: Number.POSITIVE_INFINITY,
    pin: false,
    gpu: 'auto',
    defaults: {},
    ...more,
  };
}

test('the most that was measured is kept over the end of the server', () => {
  const book = new MemoryBook(dir);
  expect(book.needOf(spec())).toBeUndefined();
  book.measured(spec(), 1_000);
  book.measured(spec(), 900);
  book.measured(spec(), 1_010);
  expect(new MemoryBook(dir).needOf(spec())).toBe(1_000);
  book.measured(spec(), 1_200);
  expect(new MemoryBook(dir).needOf(spec())).toBe(1_200);
  expect(readdirSync(dir).sort()).toEqual(['m.gguf', 'memory.json']);
});

test('another file, more slots or a longer context is another model; its name and threads are not', () => {
  const book = new MemoryBook(dir);
  book.measured(spec(), 1_000);
  expect(book.needOf(spec({ name: 'n', threads: 1 }))).toBe(1_000);
  expect(book.needOf(spec({ slots: 5 }))).toBeUndefined();
  expect(book.needOf(spec({ contextTokens: 4096 }))).toBeUndefined();
  utimesSync(join(dir, 'm.gguf'), 1, 1);
  expect(book.needOf(spec())).toBeUndefined();
});

test('a book that cannot be read or written is no book, and no error', () => {
  writeFileSync(join(dir, 'memory.json'), '{"a": "many"}');
  expect(new MemoryBook(dir).needOf(spec())).toBeUndefined();
  const book = new MemoryBook(join(dir, 'nowhere'));
  book.measured(spec(), 1_000);
  expect(book.needOf(spec())).toBe(1_000);
});

test('a book that cannot be put in its place leaves nothing beside it', () => {
  mkdirSync(join(dir, 'memory.json'));
  new MemoryBook(dir).measured(spec(), 1_000);
  expect(readdirSync(dir)).not.toContain('memory.json.new');
});
