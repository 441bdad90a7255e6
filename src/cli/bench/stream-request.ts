/**
 * One streamed generation over HTTP, with the time of every chunk. Plain node:http and a small SSE
 * reader, because the measuring program shares the machine with what it measures.
 *
 * Units   ms from `performance.now()`; a chunk counts when it carries text (a server may send a
 *         role or the usage in chunks of their own).
 * Errors  none is thrown: a request that failed is an outcome with `error`, and counts as one.
 */
import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import * as z from 'zod';

export type Route = 'chat/completions' | 'completions';

export interface StreamCall {
  /** Ends in `/v1` or whatever stands before the route. */
  readonly baseUrl: string;
  readonly route: Route;
  /** `stream` and `stream_options` are added here. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly agent: Agent;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called at each chunk that carries text. */
  readonly onChunk?: ((atMs: number) => void) | undefined;
}

export interface StreamOutcome {
  readonly startedMs: number;
  readonly endedMs: number;
  /** Of the chunks with text, ascending. */
  readonly chunkTimesMs: readonly number[];
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** From the server's usage, else the number of chunks. */
  readonly generatedTokens: number;
  readonly finishReason: string | undefined;
  readonly error: string | undefined;
}

const Chunk = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        text: z.string().nullish(),
        delta: z
          .looseObject({ content: z.string().nullish(), reasoning_content: z.string().nullish() })
          .nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: z
    .looseObject({
      prompt_tokens: z.number(),
      completion_tokens: z.number(),
      prompt_tokens_details: z.looseObject({ cached_tokens: z.number().nullish() }).nullish(),
    })
    .nullish(),
  error: z.looseObject({ message: z.string().nullish() }).nullish(),
});

const ERROR_BODY_CHARS = 4096;

export async function streamRequest(call: StreamCall): Promise<StreamOutcome> {
  const reader = new StreamReader(call.onChunk);
  const startedMs = performance.now();
  const limit = AbortSignal.timeout(call.timeoutMs);
  const signal = call.signal === undefined ? limit : AbortSignal.any([call.signal, limit]);
  let error: string | undefined;
  try {
    const response = await open(call, signal);
    const failed = response.statusCode !== 200;
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      if (failed) body = (body + text).slice(0, ERROR_BODY_CHARS);
      else reader.push(text, performance.now());
    });
    await ended(response);
    if (failed) error = `status ${response.statusCode}: ${messageOf(body)}`;
    else if (!reader.isDone) error = reader.error ?? 'the stream ended without [DONE]';
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    error = limit.aborted ? `no end within ${call.timeoutMs} ms` : why;
  }
  return { startedMs, endedMs: performance.now(), ...reader.result(), error };
}

function open(call: StreamCall, signal: AbortSignal): Promise<IncomingMessage> {
  const body = JSON.stringify({
    ...call.body,
    stream: true,
    stream_options: { include_usage: true },
  });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = () => {
    const request = httpRequest(`${call.baseUrl}/${call.route}`, {
      method: 'POST',
      agent: call.agent,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...call.headers,
      },
    });
    request.once('response', resolve);
    // Some servers close after a stream without saying so: a kept connection may be dead already.
    request.once('error', (error) =>
      request.reusedSocket && !signal.aborted ? send() : reject(error),
    );
    request.end(body);
  };
  send();
  return promise;
}

function ended(response: IncomingMessage): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  response.once('end', resolve).once('error', reject);
  // 'close' without 'end': the connection broke, and 'error' is not always sent for it.
  response.once('close', () => reject(new Error('the connection closed before the stream ended')));
  return promise;
}

/** Server-sent events as they come: split anywhere, many in one piece. */
class StreamReader {
  readonly #onChunk: ((atMs: number) => void) | undefined;
  readonly #times: number[] = [];
  #rest = '';
  #usage: z.output<typeof Chunk>['usage'];
  #finishReason: string | undefined;
  error: string | undefined;
  isDone = false;

  constructor(onChunk: ((atMs: number) => void) | undefined) {
    this.#onChunk = onChunk;
  }

  push(text: string, atMs: number): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data:')) this.#event(line.slice(5).trim(), atMs);
    }
  }

  result() {
    return {
      chunkTimesMs: this.#times,
      promptTokens: this.#usage?.prompt_tokens ?? 0,
      cachedTokens: this.#usage?.prompt_tokens_details?.cached_tokens ?? 0,
      generatedTokens: this.#usage?.completion_tokens ?? this.#times.length,
      finishReason: this.#finishReason,
    };
  }

  #event(data: string, atMs: number): void {
    if (data === '[DONE]') {
      this.isDone = true;
      return;
    }
    const parsed = parseJson(data, Chunk);
    if (parsed === undefined) {
      this.error ??= 'the stream carried an event that is no completion chunk';
      return;
    }
    if (parsed.error) this.error ??= parsed.error.message ?? 'the stream carried an error';
    if (parsed.usage) this.#usage = parsed.usage;
    let hasText = false;
    for (const { text, delta, finish_reason } of parsed.choices ?? []) {
      hasText ||= Boolean(text) || Boolean(delta?.content) || Boolean(delta?.reasoning_content);
      if (finish_reason) this.#finishReason = finish_reason;
    }
    if (!hasText) return;
    this.#times.push(atMs);
    this.#onChunk?.(atMs);
  }
}

const ErrorBody = z.looseObject({ error: z.looseObject({ message: z.string() }) });

function messageOf(body: string): string {
  return parseJson(body, ErrorBody)?.error.message ?? body.slice(0, 200);
}

function parseJson<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined; // Not what the schema says, or no JSON at all: the caller names it.
  }
}
