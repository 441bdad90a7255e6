/**
 * Checks every answer against OpenAI's own document: each body, each event of a stream, each error,
 * by route. Wrapped around `fetch` or put before a server as a proxy it turns any test into a
 * schema test.
 *
 * Errors  the wrapped `fetch` and `drain` throw, with the route and Ajv's words.
 * Source  `openai-openapi-2.3.0.json.gz`; its 109 stray `nullable: true` are OpenAPI 3.0 and are
 *         rewritten. For streamed completions the document reuses the schema of whole answers,
 *         which has no null: the real API sends `finish_reason: null` and `usage: null` there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { gunzipSync } from 'node:zlib';

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

const DOCUMENT = '../shared/data/openai-openapi-2.3.0.json.gz';

type Json = Record<string, unknown>;

const BODY_SCHEMA: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/chat\/completions$/, 'CreateChatCompletionResponse'],
  [/^\/v1\/completions$/, 'CreateCompletionResponse'],
  [/^\/v1\/models$/, 'ListModelsResponse'],
  [/^\/v1\/models\/.+$/, 'Model'],
];
const EVENT_SCHEMA: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/chat\/completions$/, 'CreateChatCompletionStreamResponse'],
  [/^\/v1\/completions$/, 'CreateCompletionStreamResponse'],
];

export const hasOpenaiDocument = existsSync(DOCUMENT);
if (!hasOpenaiDocument) console.warn(`answers are not checked: ${DOCUMENT} is absent`);

export class OpenaiRecorder {
  /** How many bodies and events were checked: a test that checked nothing proves nothing. */
  checked = 0;
  readonly problems: string[] = [];

  check(path: string, status: number, contentType: string, body: string): void {
    const pathname = path.split('?')[0]!;
    if (contentType.startsWith('text/event-stream')) this.#checkStream(pathname, body);
    else if (status >= 400) this.#checkText('ErrorResponse', body, `${status} ${pathname}`);
    else {
      const schema = find(BODY_SCHEMA, pathname);
      if (schema !== undefined) this.#checkText(schema, body, pathname);
    }
  }

  /** `app.request` or `fetch`, with every answer checked before it is handed on. */
  wrap(
    fetcher: (path: string, init?: RequestInit) => Response | Promise<Response>,
  ): (path: string, init?: RequestInit) => Promise<Response> {
    return async (path, init) => {
      const response = await fetcher(path, init);
      const type = response.headers.get('content-type') ?? '';
      const text = await response.text();
      const hasBody = init?.method !== 'HEAD' && response.status !== 204;
      if (hasBody) {
        this.check(new URL(path, 'http://localhost').pathname, response.status, type, text);
      }
      this.drain();
      const empty = response.status === 204 || response.status === 304;
      return new Response(empty ? null : text, {
        status: response.status,
        headers: response.headers,
      });
    };
  }

  /** Throws all that was found since the last time. */
  drain(): void {
    const problems = this.problems.splice(0);
    if (problems.length > 0) throw new Error(`Not of OpenAI's document:\n${problems.join('\n')}`);
  }

  /** A loopback proxy for real clients. Answers go on unchanged and are checked when whole. */
  async proxy(targetPort: number): Promise<{ readonly port: number; close(): Promise<void> }> {
    const server = createServer((incoming, outgoing) => {
      const headers = { ...incoming.headers, host: `127.0.0.1:${targetPort}` };
      const { method, url: path } = incoming;
      const onward = httpRequest({ host: '127.0.0.1', port: targetPort, method, path, headers });
      onward.on('response', (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        this.#tap(path ?? '', answer);
        answer.pipe(outgoing);
        answer.on('error', () => outgoing.destroy());
      });
      onward.on('error', () => outgoing.destroy());
      outgoing.on('close', () => onward.destroy());
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return { port, close: () => closeNow(server) };
  }

  #tap(path: string, answer: IncomingMessage): void {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('end', () => {
      const type = answer.headers['content-type'] ?? '';
      this.check(path, answer.statusCode ?? 0, type, Buffer.concat(chunks).toString('utf8'));
    });
  }

  #checkStream(path: string, body: string): void {
    const schema = find(EVENT_SCHEMA, path);
    const events = body.split('\n\n').filter((event) => event !== '');
    let isDone = false;
    for (const event of events) {
      if (isDone) this.problems.push(`${path}: an event after [DONE]`);
      if (event.startsWith(':')) continue;
      if (!event.startsWith('data: ')) this.problems.push(`${path}: not an event: ${event}`);
      else if (event === 'data: [DONE]') isDone = true;
      else {
        const data = event.slice(6);
        this.#checkText(data.startsWith('{"error"') ? 'ErrorResponse' : schema, data, path);
      }
    }
  }

  #checkText(schema: string | undefined, text: string, where: string): void {
    if (!hasOpenaiDocument || schema === undefined) return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.problems.push(`${where}: not JSON: ${text.slice(0, 200)}`);
      return;
    }
    this.checked += 1;
    const validate = DOCUMENT_SCHEMAS.validator(schema);
    if (validate(value)) return;
    const words = DOCUMENT_SCHEMAS.words(validate);
    this.problems.push(`${where}: ${schema}: ${words} in ${text.slice(0, 300)}`);
  }
}

/** Compiled once for all recorders of a test file: each schema drags half the document along. */
class DocumentSchemas {
  readonly #validators = new Map<string, ValidateFunction>();
  #ajv: Ajv2020 | undefined;

  validator(name: string): ValidateFunction {
    let validate = this.#validators.get(name);
    if (validate === undefined) {
      this.#ajv ??= load();
      validate = this.#ajv.compile({ $ref: `openai#/components/schemas/${name}` });
      this.#validators.set(name, validate);
    }
    return validate;
  }

  words({ errors }: ValidateFunction): string {
    return this.#ajv?.errorsText(errors) ?? '';
  }
}

const DOCUMENT_SCHEMAS = new DocumentSchemas();

function load(): Ajv2020 {
  const document = JSON.parse(gunzipSync(readFileSync(DOCUMENT)).toString('utf8')) as Json;
  const schemas = ((document.components as Json).schemas ?? {}) as Record<string, Json>;
  schemas.CreateCompletionStreamResponse = streamed(schemas.CreateCompletionResponse!);
  const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false });
  ajv.addSchema({ $id: 'openai', components: { schemas: withoutNullable(schemas) } });
  return ajv;
}

function find(table: readonly (readonly [RegExp, string])[], path: string): string | undefined {
  return table.find(([pattern]) => pattern.test(path))?.[1];
}

function streamed(whole: Json): Json {
  const copy = structuredClone(whole) as {
    properties: { choices: { items: { properties: { finish_reason: Json } } }; usage: Json };
  };
  copy.properties.choices.items.properties.finish_reason.nullable = true;
  copy.properties.usage = { ...copy.properties.usage, nullable: true };
  return copy as unknown as Json;
}

function withoutNullable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNullable);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, withoutNullable(each)] as const);
  const { nullable, ...rest } = Object.fromEntries(entries) as Json;
  if (nullable !== true) return nullable === undefined ? rest : { ...rest, nullable };
  return { anyOf: [rest, { type: 'null' }] };
}

async function closeNow(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
