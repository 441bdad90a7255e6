import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';

import {
  type CatalogueOptions,
  type ModelEntry,
  makeCatalogue,
  parseModelFlag,
} from '../../../src/models/catalogue.ts';

const options: CatalogueOptions = {
  slots: 4,
  highSpare: 1,
  replicas: 1,
  recycle: {},
  contextTokens: 8192,
  threads: 'auto',
  gpu: 'auto',
  preload: true,
  keepAliveMs: Number.POSITIVE_INFINITY,
};

function entry(name: string, more: Partial<ModelEntry> = {}): ModelEntry {
  return { name, path: `/models/${name}.gguf`, defaults: {}, ...more };
}

describe('makeCatalogue', () => {
  test('keeps the order and fills in what an entry does not say', () => {
    const specs = makeCatalogue(
      [entry('a'), entry('b', { slots: 1, contextTokens: 512, threads: 2, gpu: 'off' })],
      { ...options, backendOptions: { 'llama-cpp': { llamaPath: 'public' } } },
    );
    expect(specs).toEqual([
      {
        name: 'a',
        backend: 'llama-cpp',
        path: '/models/a.gguf',
        slots: 4,
        highSpare: 1,
        replicas: 1,
        recycle: {},
        contextTokens: 8192,
        threads: 'auto',
        preload: true,
        keepAliveMs: Number.POSITIVE_INFINITY,
        pin: false,
        gpu: 'auto',
        options: { llamaPath: 'public' },
        defaults: {},
      },
      {
        name: 'b',
        backend: 'llama-cpp',
        path: '/models/b.gguf',
        slots: 1,
        highSpare: 1,
        replicas: 1,
        recycle: {},
        contextTokens: 512,
        threads: 2,
        preload: true,
        keepAliveMs: Number.POSITIVE_INFINITY,
        pin: false,
        gpu: 'off',
        options: { llamaPath: 'public' },
        defaults: {},
      },
    ]);
  });

  test.each([
    ['a GGUF file', '/m/x.GGUF', 'llama-cpp'],
    ['a script of the fake', '/m/x.json', 'fake'],
    ['a folder', tmpdir(), 'mlx'],
  ])('takes %s for what it is', (_what, path, backend) => {
    expect(makeCatalogue([entry('m', { path })], options)[0]?.backend).toBe(backend);
  });

  test('believes an entry that names its backend', () => {
    const [spec] = makeCatalogue([entry('m', { path: '/m/x', backend: 'fake' })], options);
    expect(spec?.backend).toBe('fake');
  });

  test.each([
    ['a part of a folder', '/m/x.safetensors', 'Name the folder that it lies in'],
    ['anything else', '/m/x.bin', 'cannot tell what runs /m/x.bin'],
  ])('refuses %s', (_what, path, message) => {
    expect(() => makeCatalogue([entry('m', { path })], options)).toThrow(message);
  });

  test.each([
    ['a path as a name', '../x', 'is not a model name'],
    ['an empty name', '', 'is not a model name'],
    ['a name that is too long', 'x'.repeat(129), 'is not a model name'],
    ['a name with a line break', 'a\nb', 'is not a model name'],
  ])('refuses %s', (_why, name, message) => {
    expect(() => makeCatalogue([entry(name, { path: '/m/x.gguf' })], options)).toThrow(message);
  });

  test('names all problems at once, a doubled name among them', () => {
    const entries = [entry('a'), entry('a'), entry('-'), entry('b', { path: '/m/x' })];
    expect(() => makeCatalogue(entries, options)).toThrow(
      /named twice[\s\S]*"-" is not[\s\S]*cannot tell/,
    );
  });
});

describe('parseModelFlag', () => {
  test.each([
    ['NAME=PATH', 'small=/m/x.gguf', 'small', '/m/x.gguf'],
    ['a path with an equals sign', 'small=/m/a=b.gguf', 'small', '/m/a=b.gguf'],
    ['a plain path', '/m/Small Model.Q4_1.gguf', 'Small-Model.Q4_1', '/m/Small Model.Q4_1.gguf'],
    ['a path whose beginning is no name', './a=b.gguf', 'a-b', './a=b.gguf'],
  ])('reads %s', (_what, text, name, path) => {
    expect(parseModelFlag(text)).toEqual({ name, path });
  });

  test.each([
    ['no path', 'small=', 'no path'],
    ['nothing', '', 'no path'],
    ['a file without a usable name', '/m/.gguf', 'no usable name'],
  ])('refuses %s', (_what, text, message) => {
    expect(() => parseModelFlag(text)).toThrow(message);
  });
});
