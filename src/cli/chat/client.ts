/**
 * One streamed chat over HTTP, as any OpenAI client does it.
 *
 * Errors  ChatError: the server's own message for a status or an error in the stream, a line of
 *         ours when it could not be reached or the stream broke off. An abort ends the iteration
 *         with `cancelled` and is no error.
 * Source  the event stream format, WHATWG HTML standard §9.2; a stream that ends without `[DONE]`
 *         is incomplete (http-contract).
 */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export type ChatEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'cancelled' }
  | {
      readonly type: 'done';
      readonly tokens: number | undefined;
      readonly reason: string | undefined;
    };

export interface ChatCall {
  /** Without the `/v1`. */
  readonly baseUrl: string;
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** With the key, where one is needed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export class ChatError extends Error {
  override name = 'ChatError';
}

export async function* streamChat(call: ChatCall): AsyncGenerator<ChatEvent, void> {
  try {
    yield* readEvents(await post(call));
  } catch (error) {
    if (call.signal.aborted) yield { type: 'cancelled' };
    else if (error instanceof ChatError) throw error;
    else
      throw new ChatError(`${call.baseUrl} does not answer: ${reasonOf(error)}`, { cause: error });
  }
}

/** Names of the models that a server offers, the default one first. */
export async function listModels({
  baseUrl,
  headers,
  signal,
}: Pick<ChatCall, 'baseUrl' | 'headers' | 'signal'>): Promise<readonly string[]> {
  const response = await fetch(`${baseUrl}/v1/models`, { headers, signal });
  const body = (await response.json()) as { readonly data?: readonly { readonly id: string }[] };
  if (!response.ok || !Array.isArray(body.data))
    throw new ChatError(messageOf(body, response.status));
  return body.data.map(({ id }) => id);
}

async function post({ baseUrl, model, messages, headers, signal }: ChatCall): Promise<Response> {
  const response = await fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal,
  });
  if (response.ok && response.body) return response;
  const body: unknown = await response.json().catch(() => undefined);
  throw new ChatError(messageOf(body, response.status));
}

/** The parts of a chunk that a chat shows. */
interface Chunk {
  readonly error?: { readonly message?: string };
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly completion_tokens?: number } | null;
}

async function* readEvents(response: Response): AsyncGenerator<ChatEvent, void> {
  let tokens: number | undefined;
  let reason: string | undefined;
  for await (const data of readData(response)) {
    if (data === '[DONE]') {
      yield { type: 'done', tokens, reason };
      return;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new ChatError(chunk.error.message ?? 'the server reported an error');
    tokens = chunk.usage?.completion_tokens ?? tokens;
    const choice = chunk.choices?.[0];
    reason = choice?.finish_reason ?? reason;
    const text = choice?.delta?.content;
    if (text) yield { type: 'text', text };
  }
  throw new ChatError('the stream broke off: the server went away');
}

async function* readData(response: Response): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of response.body ?? []) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    // Comments, which begin with a colon, keep the connection alive and say nothing.
    for (const line of lines) if (line.startsWith('data:')) yield line.slice(5).trim();
  }
}

function messageOf(body: unknown, status: number): string {
  const { error } = (body ?? {}) as { readonly error?: { readonly message?: unknown } };
  return typeof error?.message === 'string' ? error.message : `the server answered ${status}`;
}

/** fetch says only "fetch failed"; its cause knows why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}
