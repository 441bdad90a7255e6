import { describe, expect, test } from 'vitest';

import { parseReference, servedName } from '../../../../src/models/pull/reference.ts';

const HUB = new URL('https://huggingface.co');
const parse = (text: string, endpoint = HUB) => parseReference(text, endpoint);

describe('a reference (MX-056)', () => {
  const of = (repository: string, more = {}) => ({
    repository,
    quant: undefined,
    file: undefined,
    revision: 'main',
    short: undefined,
    ...more,
  });

  test.each([
    ['Qwen/Qwen3-4B-GGUF', of('Qwen/Qwen3-4B-GGUF')],
    ['org/model:Q4_K_M', of('org/model', { quant: 'Q4_K_M' })],
    ['org/model:latest', of('org/model')],
    ['org/model:model-Q8_0.gguf', of('org/model', { file: 'model-Q8_0.gguf' })],
    ['hf.co/org/model:q8_0', of('org/model', { quant: 'q8_0' })],
    ['HuggingFace.co/org/model', of('org/model')],
    ['https://huggingface.co/org/model', of('org/model')],
    ['https://huggingface.co/org/model/', of('org/model')],
    ['https://hf.co/org/model:IQ4_XS', of('org/model', { quant: 'IQ4_XS' })],
    ['https://huggingface.co/org/model/tree/v1.0', of('org/model', { revision: 'v1.0' })],
    [
      'https://huggingface.co/org/model/blob/main/UD/m-Q8_0.gguf',
      of('org/model', { file: 'UD/m-Q8_0.gguf' }),
    ],
    [
      'https://huggingface.co/org/model/resolve/abc/m.gguf?download=true',
      of('org/model', { file: 'm.gguf', revision: 'abc' }),
    ],
  ])('%s', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  test('of a mirror is taken where the mirror is configured', () => {
    const mirror = new URL('http://127.0.0.1:8080/hub');
    expect(parse('http://127.0.0.1:8080/hub/org/model', mirror).repository).toBe('org/model');
    expect(() => parse('http://127.0.0.1:8080/hub/org/model')).toThrow('is not an https address');
  });

  test.each([
    ['', 'is empty'],
    ['../etc/passwd', 'holds ".."'],
    ['org/..', 'holds ".."'],
    ['org/model:../x.gguf', 'holds ".."'],
    ['/etc/passwd', 'is a path'],
    ['~/model.gguf', 'is a path'],
    ['./model', 'is a path'],
    ['org/%2e%2e', 'holds an escape'],
    ['org\\model', 'holds a backslash'],
    ['org/mo\0del', 'holds the character U+0000'],
    ['org/mo del', 'holds the character U+0020'],
    ['org/mo\ndel', 'holds the character U+000A'],
    // Cyrillic, a zero-width space, a slash that is none, right to left, full width.
    ['оrg/model', 'holds the character U+043E'],
    ['org/\u200bmodel', 'holds the character U+200B'],
    ['org\u2215model', 'holds the character U+2215'],
    ['org/\u202emodel', 'holds the character U+202E'],
    ['ｏrg/model', 'holds the character U+FF4F'],
    ['org/model/more', 'is no reference'],
    ['org//model', 'is no reference'],
    ['org/', 'is no reference'],
    ['org/.model', 'is no reference'],
    ['org/-model', 'is no reference'],
    ['org/model.', 'is no reference'],
    ['org/a--b', 'is no reference'],
    [`org/${'a'.repeat(97)}`, 'is no reference'],
    ['a'.repeat(600), 'is too long'],
    ['org/model:', 'has no quantisation behind the colon'],
    ['org/model:Q4/K', 'has no quantisation behind the colon'],
    ['org/model:a:b', 'has no quantisation behind the colon'],
    ['org/model:.gguf', 'names a file that is no GGUF'],
    ['http://huggingface.co/org/model', 'is not an https address'],
    ['file:///etc/passwd', 'is not an https address'],
    ['ftp://huggingface.co/org/model', 'is not an https address'],
    ['https://huggingface.co.evil.com/org/model', 'is not on the hub huggingface.co'],
    ['https://huggingface.co@evil.com/org/model', 'holds a user or password'],
    ['https://evil.com/huggingface.co/org/model', 'is not on the hub'],
    ['https://huggingface.co:8443/org/model', 'is not on the hub'],
    ['https://huggingface.co/', 'names no repository'],
    ['hf.co/qwen3-4b', 'names no repository'],
    ['https://huggingface.co/org/model/blob/main/x.bin', 'names a file that is no GGUF'],
    ['https://huggingface.co/org/model/commits/main', 'is no reference'],
  ])('%j is refused', (text, why) => {
    expect(() => parse(text)).toThrow(why);
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'invalid_reference' }));
  });

  test('short names are looked up, and slips are met with the right one', () => {
    expect(parse('qwen3-4b')).toMatchObject({ repository: 'Qwen/Qwen3-4B-GGUF', quant: undefined });
    expect(parse('Qwen3-4B:Q8_0')).toMatchObject({ quant: 'Q8_0' });
    expect(() => parse('smolm2')).toThrow('"smolm2" is no short name. Did you mean smollm2?');
    expect(() => parse('constructor')).toThrow('is no short name. "hearth pull" lists them');
    expect(() => parse('smollm2:x.gguf')).toThrow('names a file of a short name');
  });
});

test.each([
  ['Qwen/Qwen3-4B-GGUF', undefined, 'qwen3-4b'],
  ['org/My_Model.gguf', undefined, 'my_model'],
  ['smollm2', undefined, 'smollm2'],
  ['org/model', 'Mine.1', 'Mine.1'],
])('%s as %s is served as %s', (text, wanted, name) => {
  expect(servedName(parse(text), wanted)).toBe(name);
});

test.each(['', '../x', 'a/b', 'a:b', '.x', 'a b', '-x'])('%j is no name to serve by', (name) => {
  expect(() => servedName(parse('org/model'), name)).toThrow('is no name for a model');
});
