import { describe, expect, test } from 'vitest';

import { redactFields } from '../../../src/cli/redact.ts';

describe('redactFields', () => {
  // SP-003, SP-004
  test.each([
    ['a prompt', { prompt: 'secret' }, { prompt: '[redacted, 6 characters]' }],
    [
      'messages',
      { messages: [{ role: 'user', content: 'secret' }] },
      { messages: '[redacted, 1 items]' },
    ],
    [
      'a key in any spelling',
      { 'X-API-Key': 's', api_key: 's', apiKey: 's' },
      {
        'X-API-Key': '[redacted, 1 characters]',
        api_key: '[redacted, 1 characters]',
        apiKey: '[redacted, 1 characters]',
      },
    ],
    ['a schema', { schema: { secret: 1 } }, { schema: '[redacted]' }],
    ['stop strings', { stops: ['secret'] }, { stops: '[redacted, 1 items]' }],
    [
      'what lies deeper',
      { a: { b: [{ text: 'secret' }] } },
      { a: { b: [{ text: '[redacted, 6 characters]' }] } },
    ],
    [
      'image data in a string',
      { note: 'see data:image/png;base64,AAAA/+= there' },
      { note: 'see [redacted data URL] there' },
    ],
    ['a bearer token in a string', { note: 'sent Bearer abc.def-g' }, { note: 'sent [redacted]' }],
    ['an OpenAI key in a string', { note: 'key sk-abcdef123456' }, { note: 'key [redacted]' }],
  ])('takes out %s', (_what, fields, result) => {
    expect(redactFields(fields)).toEqual(result);
  });

  test.each([
    ['facts', { requestId: 'r', ms: 3, model: 'm', status: 200, ok: true }],
    ['counts, whatever they are called', { prompt: 12, stop: false, promptTokens: 12 }],
    ['nothing', { a: null, b: undefined }],
    ['words that look like it', { note: 'basics of database: task-list' }],
  ])('leaves %s', (_what, fields) => {
    expect(redactFields(fields)).toEqual(fields);
  });

  test('writes errors with code, cause and stack, without what V8 quotes', () => {
    let cause: unknown;
    try {
      JSON.parse('{"secret": tru');
    } catch (error) {
      cause = error;
    }
    const text = JSON.stringify(redactFields({ err: new TypeError('cannot read it', { cause }) }));
    expect(text).toContain('cannot read it');
    expect(text).toContain('not valid JSON');
    expect(text).toContain('redact.test.ts');
    expect(text).not.toContain('secret');
  });

  test('an error of several lines keeps its stack clean of its message', () => {
    const error = new Error('first Bearer abcdef\nsecond');
    const { err } = redactFields({ err: error }) as { err: { message: string; stack: string } };
    expect(err.message).toBe('first [redacted]\nsecond');
    expect(err.stack).not.toContain('abcdef');
  });

  test('ends on what refers to itself', () => {
    const ring: Record<string, unknown> = {};
    ring.ring = ring;
    expect(JSON.stringify(redactFields(ring))).toContain('[too deep]');
    const error = new Error('x');
    error.cause = error;
    expect(JSON.stringify(redactFields({ err: error })).length).toBeLessThan(50_000);
  });
});
