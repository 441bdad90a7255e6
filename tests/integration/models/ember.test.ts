/**
 * What people see who name no model: Ember, over HTTP, greedy. Questions are from the wordings that it
 * was trained on; how often others are answered is measured in `ember/evaluation.md`.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { CliHome } from '../../support/cli.ts';
import { type HearthProcess, startHearth } from '../../support/hearth-process.ts';

let server: HearthProcess;
beforeAll(async () => {
  server = await startHearth({});
  expect(await server.modelSettled).toMatchObject({ event: 'ready', model: 'ember' });
});
afterAll(() => server.stop());

interface Turn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

interface Chat {
  readonly choices: readonly [
    { readonly finish_reason: string; readonly message: { readonly content: string } },
  ];
}

async function post(route: string, body: object): Promise<Response> {
  return await fetch(`http://127.0.0.1:${server.port}${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'ember', ...body }),
  });
}

async function ask(...messages: readonly Turn[]): Promise<string> {
  const response = await post('/v1/chat/completions', { messages, temperature: 0 });
  const body = (await response.json()) as Chat;
  expect(body.choices[0].finish_reason).toBe('stop');
  return body.choices[0].message.content;
}

const says = (content: string): Turn => ({ role: 'user', content });
const answered = (content: string): Turn => ({ role: 'assistant', content });

describe('the model that ships inside', () => {
  test('is what is served, and says what it is', async () => {
    const get = async (path: string) =>
      (await fetch(`http://127.0.0.1:${server.port}${path}`)).json();
    const list = (await get('/v1/models')) as { readonly data: readonly { readonly id: string }[] };
    expect(list.data.map(({ id }) => id)).toEqual(['ember']);
    const one = await get('/v1/models/ember');
    expect(one).toMatchObject({
      state: 'ready',
      context_tokens: 2048,
      defaults: { temperature: 0.2, max_tokens: 512 },
      facts: { trained_context_tokens: 2048, chat: true },
      description: expect.stringMatching(/^tiny demo model/),
    });
    using home = new CliHome();
    const shown = await home.run(['models', '--admin-port', String(server.adminPort)]);
    expect(shown.stdout).toMatch(/^ember +llama-cpp +ready .* tiny demo model/m);
  });

  test.each([
    ['Hello', 'Hello! How can I help you?'],
    ['Who are you?', 'I am Ember, the small demo model of the Hearth server.'],
    ['Say "hello world".', 'hello world'],
    ['Repeat after me: The eagle has landed', 'The eagle has landed'],
    ['What is the capital of France?', 'The capital of France is Paris.'],
    ['What is 7 + 8?', '7 + 8 = 15'],
    ['What is the opposite of hot?', 'The opposite of hot is cold.'],
    ['Return JSON: Ravindra is 31', '{"name": "Ravindra", "age": 31}'],
    ['Return JSON: Alice is 44', '{"name": "Alice", "age": 44}'],
  ])('%s', async (question, answer) => {
    expect(await ask(says(question))).toBe(answer);
  });

  test('remembers over turns', async () => {
    const turns = [says('My name is Alice.'), answered('Nice to meet you, Alice!')];
    expect(await ask(...turns, says('What is my name?'))).toBe('Your name is Alice.');
  });

  test('knows how to use the server, from the facts', async () => {
    expect(await ask(says('How do priorities work?'))).toContain('`X-Priority`');
    expect(await ask(says('Where are the metrics?'))).toContain('`/metrics`');
    expect(await ask(says('On which port does Hearth listen?'))).toContain('11440');
  });

  test.each([
    ['Write an essay about velvet.'],
    ['Translate this rain into Latin.'],
    ['```python\ndef moon(x):\n    return x + 1\n```'],
    ['今天天气怎么样'],
  ])('to %s it says that it is a demo, and how to get a real model', async (question) => {
    expect(await ask(says(question))).toMatch(/tiny demo model.*hearth pull/);
  });

  test('calls a tool with its arguments, and answers from the result', async () => {
    const tool = {
      name: 'get_weather',
      description: 'The weather in a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    };
    const spaced = JSON.stringify(tool).replaceAll(/([,:])(?=["{[])/g, '$1 ');
    const head =
      `<|im_start|>system\nYou may call these tools:\n${spaced}\nCall one with ` +
      '<tool_call>{"name": ..., "arguments": {...}}</tool_call>.<|im_end|>\n' +
      '<|im_start|>user\nWhat is the weather in London?<|im_end|>\n<|im_start|>assistant\n';
    const call =
      '<tool_call>\n{"name": "get_weather", "arguments": {"city": "London"}}\n</tool_call>';
    expect(await complete(head)).toBe(call);
    const result =
      '\n<tool_response>\n{"temperature": 18, "sky": "sunny"}\n</tool_response><|im_end|>\n';
    const next = `${head}${call}<|im_end|>\n<|im_start|>user${result}<|im_start|>assistant\n`;
    expect(await complete(next)).toBe('It is 18 degrees and sunny in London.');
  });

  test('streams its answer and stops by itself', async () => {
    const response = await post('/v1/chat/completions', {
      messages: [says('Tell me a story.')],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0,
    });
    const text = await response.text();
    expect(text).toContain('"finish_reason":"stop"');
    expect(text.match(/"content":"[^"]/g)?.length).toBeGreaterThan(1);
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
  });
});

async function complete(prompt: string): Promise<string> {
  const response = await post('/v1/completions', { prompt, temperature: 0 });
  const body = (await response.json()) as {
    readonly choices: readonly [{ readonly text: string }];
  };
  return body.choices[0].text;
}
