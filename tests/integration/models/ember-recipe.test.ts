/** The Python that makes Ember: its own tests, and that both sides render a conversation alike. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

import { Template } from '@huggingface/jinja';
import { expect, test } from 'vitest';

import { EMBER_FILE } from '../../../src/models/ember.ts';

const run = promisify(execFile);
const folder = dirname(EMBER_FILE);
const MAX_OUTPUT_BYTES = 64 << 20;

interface Sample {
  readonly skill: string;
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly tools: readonly unknown[];
  readonly text: string;
}

const python = (...args: string[]) =>
  run('python3', args, { cwd: folder, maxBuffer: MAX_OUTPUT_BYTES });

test('the recipe keeps what its own tests say', async () => {
  const { stderr } = await python('-m', 'unittest', 'discover', 'tests');
  expect(stderr).toMatch(/^OK$/m);
});

test('the template renders what the model was trained on, tools included', async () => {
  const { stdout } = await python('-m', 'recipe.samples', '--count', '600', '--seed', '11');
  const samples = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample);
  const template = new Template(readFileSync(`${folder}/chat_template.jinja`, 'utf8'));
  const withTools = samples.filter(({ tools }) => tools.length > 0);
  expect(withTools.length).toBeGreaterThan(50);
  for (const { messages, tools, text, skill } of samples) {
    const given = tools.length > 0 ? { messages, tools } : { messages };
    expect(template.render(given), skill).toBe(text);
  }
});

test('arguments may be text, as clients send them', async () => {
  const template = new Template(readFileSync(`${folder}/chat_template.jinja`, 'utf8'));
  const call = (args: unknown) => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ type: 'function', function: { name: 'add', arguments: args } }],
  });
  const user = { role: 'user', content: 'Add 1 and 2.' };
  const asText = template.render({ messages: [user, call('{"a": 1, "b": 2}')] });
  expect(asText).toBe(template.render({ messages: [user, call({ a: 1, b: 2 })] }));
  expect(asText).toContain(
    '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>',
  );
});
