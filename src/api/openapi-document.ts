/**
 * Our own OpenAPI 3.1 document. Request bodies come from the zod schemas that check requests, the
 * error table from the one that answers them, so neither can drift.
 *
 * Source  OpenAPI 3.1.1; its schema dialect is JSON Schema 2020-12, which zod writes.
 */
import * as z from 'zod';

import { CATALOGUE, type ErrorCode } from '../core/errors.ts';
import { errorType, STATUS } from './error-response.ts';
import { ChatBody } from './params/chat.ts';
import { CompletionBody } from './params/completion.ts';

type Json = Readonly<Record<string, unknown>>;

const PRIORITY_HEADER = {
  name: 'X-Priority',
  in: 'header',
  description: 'Class of the request; wins over the body field `priority`.',
  schema: { type: 'string', enum: ['high', 'normal', 'low', '0', '1', '2'] },
};

const USAGE = object({
  prompt_tokens: { type: 'integer' },
  completion_tokens: { type: 'integer' },
  total_tokens: { type: 'integer' },
  prompt_tokens_details: object({ cached_tokens: { type: 'integer' } }),
});

const MODEL = object({
  id: { type: 'string' },
  object: { const: 'model' },
  created: { type: 'integer' },
  owned_by: { type: 'string' },
});

const STATE = {
  type: 'string',
  enum: ['unloaded', 'starting', 'loading', 'ready', 'draining', 'stopped', 'failed'],
};

const SCHEMAS = {
  Error: object({
    error: object({
      message: { type: 'string' },
      type: { type: 'string', enum: errorTypes() },
      param: { type: ['string', 'null'] },
      code: { type: 'string', enum: Object.keys(CATALOGUE) },
    }),
  }),
  Usage: USAGE,
  Model: MODEL,
  ModelList: object({ object: { const: 'list' }, data: { type: 'array', items: ref('Model') } }),
  ModelDetails: {
    allOf: [
      ref('Model'),
      object({
        state: STATE,
        backend: { type: 'string' },
        description: { type: 'string' },
        slots: { type: 'integer' },
        context_tokens: { type: 'integer' },
        defaults: { type: 'object' },
      }),
    ],
  },
  ChatCompletion: answerSchema(
    'chat.completion',
    object({
      index: { type: 'integer' },
      message: object({
        role: { const: 'assistant' },
        content: { type: 'string' },
        refusal: { type: 'null' },
      }),
      logprobs: { type: 'null' },
      finish_reason: { enum: ['stop', 'length', 'tool_calls'] },
    }),
  ),
  ChatCompletionChunk: chunkSchema(
    'chat.completion.chunk',
    object({
      index: { type: 'integer' },
      delta: { type: 'object' },
      logprobs: { type: 'null' },
      finish_reason: { enum: ['stop', 'length', 'tool_calls', null] },
    }),
  ),
  Completion: answerSchema('text_completion', completionChoice(['stop', 'length'])),
  CompletionChunk: chunkSchema('text_completion', completionChoice(['stop', 'length', null])),
  Ready: {
    type: 'object',
    properties: {
      status: { enum: ['ready', 'not_ready'] },
      models: { type: 'array', items: object({ name: { type: 'string' }, state: STATE }) },
    },
    required: ['status', 'models'],
  },
} satisfies Readonly<Record<string, Json>>;

/** Made anew for each call: it is asked for rarely and costs memory. */
export function openapiDocument(): Json {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Hearth',
      version: '1',
      description: 'Local inference with the API of OpenAI. A parameter is honoured or refused.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths: {
      '/': { get: get('root', 'A line of text', 'text/plain') },
      '/health': { get: get('health', 'The process lives', 'application/json') },
      '/ready': {
        get: {
          ...get('ready', 'A model can answer', 'application/json', ref('Ready')),
          responses: {
            '200': response('A model can answer', 'application/json', ref('Ready')),
            '503': response('No model can answer', 'application/json', {
              allOf: [ref('Ready'), ref('Error')],
            }),
          },
        },
      },
      '/metrics': { get: get('metrics', 'Prometheus text', 'text/plain') },
      '/openapi.json': { get: get('openapi', 'This document', 'application/json') },
      '/v1/models': {
        get: get('listModels', 'All models', 'application/json', ref('ModelList')),
      },
      '/v1/models/{id}': {
        get: {
          ...get('getModel', 'One model', 'application/json', ref('ModelDetails')),
          parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
        },
      },
      '/v1/chat/completions': {
        post: generation('createChatCompletion', ChatBody, 'ChatCompletion'),
      },
      '/v1/completions': {
        post: generation('createCompletion', CompletionBody, 'Completion'),
      },
    },
    components: {
      schemas: SCHEMAS,
      responses: { Error: errorResponse() },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
    // Where the server has keys; without, and on the probes, none is needed.
    security: [{}, { bearer: [] }, { apiKey: [] }],
  };
}

function generation(operationId: string, body: z.ZodType, name: 'ChatCompletion' | 'Completion') {
  return {
    operationId,
    parameters: [PRIORITY_HEADER],
    requestBody: {
      required: true,
      content: { 'application/json': { schema: requestSchema(body) } },
    },
    responses: {
      '200': {
        description: 'The answer, whole or as server-sent events',
        content: {
          'application/json': { schema: ref(name) },
          'text/event-stream': { schema: ref(`${name}Chunk`) },
        },
      },
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

function requestSchema(schema: z.ZodType): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}

function get(operationId: string, description: string, type: string, schema?: Json) {
  return {
    operationId,
    responses: {
      '200': response(description, type, schema),
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

function response(description: string, type: string, schema: Json | undefined) {
  return { description, content: { [type]: schema === undefined ? {} : { schema } } };
}

function errorResponse() {
  const rows = Object.entries(CATALOGUE).map(
    ([code, { means }]) => `${STATUS[code as ErrorCode]} \`${code}\`: ${means}`,
  );
  return response(rows.join('\n'), 'application/json', ref('Error'));
}

function errorTypes(): readonly string[] {
  return [...new Set(Object.keys(CATALOGUE).map((code) => errorType(code as ErrorCode)))];
}

function answerSchema(kind: string, choice: Json): Json {
  return object({ ...head(kind), choices: { type: 'array', items: choice }, usage: ref('Usage') });
}

function chunkSchema(kind: string, choice: Json): Json {
  return {
    ...object({ ...head(kind), choices: { type: 'array', items: choice } }),
    description:
      'With `stream_options.include_usage` also `usage`, null in all but the last chunk.',
  };
}

function completionChoice(reasons: readonly (string | null)[]): Json {
  return object({
    index: { type: 'integer' },
    text: { type: 'string' },
    logprobs: { type: 'null' },
    finish_reason: { enum: reasons },
  });
}

function head(kind: string): Record<string, Json> {
  return {
    id: { type: 'string' },
    object: { const: kind },
    created: { type: 'integer' },
    model: { type: 'string' },
  };
}

function object(properties: Record<string, Json>): Json {
  return { type: 'object', properties, required: Object.keys(properties) };
}

function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}
