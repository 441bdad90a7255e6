import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { EMBER_FILE } from '../../../src/models/ember.ts';

const folder = dirname(EMBER_FILE);
const file = readFileSync(EMBER_FILE);
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

/** A string of the file's metadata: GGUF writes key, type (8: string), length, bytes. */
function metadata(key: string): string {
  const at = file.indexOf(Buffer.from(key)) + key.length;
  expect(file.readUInt32LE(at)).toBe(8);
  const length = Number(file.readBigUInt64LE(at + 4));
  return file.toString('utf8', at + 12, at + 12 + length);
}

describe('the model that ships inside', () => {
  test('is one file of at most 8 MB', () => {
    expect(file.length).toBeLessThanOrEqual(8_000_000);
    expect(metadata('general.architecture')).toBe('llama');
    expect(metadata('general.license')).toBe('apache-2.0');
  });

  test('is the file that was evaluated', () => {
    const evaluation = readFileSync(join(folder, 'evaluation.json'), 'utf8');
    expect(JSON.parse(evaluation)).toMatchObject({ sha256: sha256(file) });
  });

  test('was made with the facts and the template that stand beside it', () => {
    const facts = readFileSync(join(folder, 'facts.json'));
    expect(metadata('hearth.ember.facts_sha256'), 'train Ember again: the facts have changed').toBe(
      sha256(facts),
    );
    const template = readFileSync(join(folder, 'chat_template.jinja'), 'utf8');
    expect(metadata('tokenizer.chat_template')).toBe(template);
  });
});
