/**
 * MLX models as they are used, over HTTP: the model that ships inside, on MLX instead of llama.cpp, answers the same client the
 * same way. Rows MX-003 to MX-005 and MX-036 on MLX.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Ajv2020 } from 'ajv/dist/2020.js';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { EMBER } from '../../../src/models/ember.ts';
import { type HearthProcess, startHearth } from '../../support/hearth-process.ts';
import { mlxOrSkip, tinyMlxModel } from '../../support/mlx.ts';

vi.setConfig({ testTimeout: 120_000 });
const mlx = await mlxOrSkip('MLX over HTTP');

describe.skipIf(mlx === undefined)('a server with models on both backends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-mlx-'));
  let server: HearthProcess;
  let client: OpenAI;

  beforeAll(async () => {
    const config = join(folder, 'hearth.toml');
    const toml = `[models.apple]
path = "${EMBER.path}"
backend = "mlx"
[models.ember]
path = "${EMBER.path}"
[models.tiny]
path = "${await tinyMlxModel('qwen3', mlx!)}"
[models.broken]
path = "${folder}"
preload = true
`;
    writeFileSync(config, toml);
    server = await startHearth({
      args: ['--config', config],
      env: { HEARTH_MODEL_DEFAULTS_THREADS: '1' },
    });
    client = new OpenAI({
      baseURL: `http://127.0.0.1:${server.port}/v1`,
      apiKey: 'none',
      maxRetries: 0,
    });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true });
  });

  const ask = async (model: string, content: string, extra: object = {}) => {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content }],
      max_tokens: 60,
      temperature: 0,
      ...extra,
    });
    return { ...answer.choices[0]!, usage: answer.usage! };
  };

  test('the same file gives the same answer and the same usage on both', async () => {
    for (const question of ['What is the capital of France?', 'Say: hello', 'Who are you?']) {
      const [onMlx, onLlama] = [await ask('apple', question), await ask('ember', question)];
      expect(onMlx.message.content).toBe(onLlama.message.content);
      expect(onMlx.finish_reason).toBe(onLlama.finish_reason);
      expect(onMlx.usage.prompt_tokens).toBe(onLlama.usage.prompt_tokens);
      expect(onMlx.usage.completion_tokens).toBe(onLlama.usage.completion_tokens);
    }
  });

  test('streamed it is what it is whole, and a stop string ends it', async () => {
    const whole = await ask('apple', 'Say: one two three');
    const stream = await client.chat.completions.create({
      model: 'apple',
      messages: [{ role: 'user', content: 'Say: one two three' }],
      max_tokens: 60,
      temperature: 0,
      stream: true,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(whole.message.content);
    const stopped = await ask('apple', 'Say: one two three', { stop: ['two'] });
    expect(stopped.message.content).toBe(text.slice(0, text.indexOf('two')));
  });

  test.each([0, 1.5])(
    'MX-003, MX-004: a schema holds at temperature %s, beside free answers',
    async (temperature) => {
      const schema = {
        type: 'object',
        properties: {
          name: { type: 'string', maxLength: 12 },
          age: { type: 'integer', minimum: 0, maximum: 150 },
        },
        required: ['name', 'age'],
        additionalProperties: false,
      };
      const format = { type: 'json_schema', json_schema: { name: 'person', schema } };
      const isValid = new Ajv2020({ strict: false }).compile(schema);
      const answers = await Promise.all(
        ['Alice is 34', 'Bob is 7'].flatMap((fact, seed) => [
          ask('apple', `Return JSON: ${fact}`, { response_format: format, temperature, seed }),
          ask('apple', 'Say: hi', { temperature, seed }),
        ]),
      );
      const bound = answers.filter((_, index) => index % 2 === 0);
      for (const { message, finish_reason } of bound) {
        if (finish_reason !== 'length') expect(isValid(JSON.parse(message.content!))).toBe(true);
      }
      expect(bound.some(({ finish_reason }) => finish_reason === 'stop')).toBe(true);
      expect(
        (await ask('tiny', 'x', { regex: '[a-c]{3}', temperature: 2 })).message.content,
      ).toMatch(/^[a-c]{3}$/);
    },
  );

  test('what is refused is refused with the same words', async () => {
    const refusalOf = (model: string, body: object) =>
      ask(model, 'x'.repeat(20), body).then(
        () => 'answered',
        ({ status, code, param }: { status: number; code: string; param: string }) => ({
          status,
          code,
          param,
        }),
      );
    for (const body of [
      { logit_bias: { '99999999': 1 } },
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { $ref: 'http://a/b' } },
        },
      },
      { max_tokens: -1 },
      { messages: [{ role: 'user', content: 'word '.repeat(20_000) }] },
    ]) {
      const refused = await refusalOf('apple', body);
      expect(refused).toMatchObject({ status: 400 });
      expect(refused).toEqual(await refusalOf('ember', body));
    }
  });

  test('a folder that holds no model fails alone, and says why', async () => {
    const failed = await ask('broken', 'x').catch(
      (error: { status: number; message: string }) => error,
    );
    expect(failed).toMatchObject({ status: 503, message: expect.stringContaining('config.json') });
    expect((await ask('apple', 'Say: hi')).message.content).not.toBe('');
  });

  test('its worker is killed: that stream ends with an error, and the next one is served', async () => {
    const stream = await client.chat.completions.create({
      model: 'tiny',
      messages: [{ role: 'user', content: 'x' }],
      max_tokens: 1_500,
      stream: true,
      ...{ ignore_eos: true },
    });
    const loaded = /"model":"tiny","worker":"[^"]+","pid":(\d+)/g;
    const pid = Number([...server.output().matchAll(loaded)].at(-1)![1]);
    const read = async () => {
      for await (const chunk of stream)
        if (chunk.choices[0]?.delta.content) process.kill(pid, 'SIGKILL');
    };
    await expect(read()).rejects.toThrow();
    expect((await ask('tiny', 'x')).usage.completion_tokens).toBeGreaterThan(0);
  });
});
