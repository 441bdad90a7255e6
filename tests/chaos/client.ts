/** Requests of an experiment. `ask` is read as it comes, and nothing of it throws. */
import { request as httpRequest, type IncomingMessage } from 'node:http';

import type { Invocation, Outcome } from './history.ts';

const COMPLETE_LIMIT_MS = 60_000;

export interface AskOptions {
  readonly port: number;
  /** Port of a proxy that stands before it. */
  readonly via?: number;
  readonly model: string;
  /** Commands to the fake model, before the nonce. */
  readonly commands?: string;
  readonly priority?: string;
  /** An API key. */
  readonly key?: string | undefined;
  /** Goes away after so many characters. */
  readonly leavesAfter?: number | undefined;
  readonly limitMs: number;
}

export function ask(invocation: Invocation, options: AskOptions): Promise<Outcome> {
  const {
    port,
    via = port,
    model,
    commands = '',
    priority = 'normal',
    key,
    leavesAfter,
    limitMs,
  } = options;
  const { nonce, tokens } = invocation;
  const body = JSON.stringify({
    model,
    prompt: `${commands}[[tokens:${tokens}]]${nonce}`,
    max_tokens: tokens,
    temperature: 0,
    stream: true,
  });
  return new Promise((resolve) => {
    const reader = new Reader();
    let status = 0;
    let retryAfterMs: number | undefined;
    let isOver = false;
    const settle = (end: Outcome['end'], code = reader.code) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(limit);
      request.destroy();
      const { text, breaches } = reader;
      resolve({ ...invocation, end, status, text, code, retryAfterMs, breaches });
    };
    const limit = setTimeout(() => settle('hung'), limitMs);
    const closed = () => settle(reader.isDone ? 'answered' : 'failed', reader.code ?? 'connection');
    const onResponse = (response: IncomingMessage) => {
      status = response.statusCode ?? 0;
      const after = response.headers['retry-after-ms'];
      if (after !== undefined) retryAfterMs = Number(after);
      let whole = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        if (status !== 200) {
          whole += piece;
          return;
        }
        reader.push(piece);
        if (leavesAfter !== undefined && reader.text.length >= leavesAfter) settle('left');
      });
      response.once('end', () => {
        if (status === 200) closed();
        else settle('failed', codeOf(whole));
      });
      response.once('error', closed);
    };
    const request = httpRequest(
      { host: '127.0.0.1', port: via, path: '/v1/completions', method: 'POST', agent: false },
      onResponse,
    );
    request.setHeader('host', `127.0.0.1:${port}`);
    request.setHeader('content-type', 'application/json');
    request.setHeader('x-priority', priority);
    if (key !== undefined) request.setHeader('authorization', `Bearer ${key}`);
    request.once('error', closed);
    request.end(body);
  });
}

/** An answer in one piece, as its client gets it. */
export interface Reply {
  readonly status: number;
  /** Of the error; undefined when it is none. */
  readonly code: string | undefined;
  readonly message: string;
  readonly retryAfter: string | null;
  readonly tookMs: number;
}

/** A completion that is not streamed; bytes go out as they are. Rejects when the connection fails. */
export async function complete(port: number, body: object | Buffer): Promise<Reply> {
  const beganMs = performance.now();
  const response = await fetch(`http://127.0.0.1:${port}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body),
    signal: AbortSignal.timeout(COMPLETE_LIMIT_MS),
  });
  const { error } = (await response.json()) as { error?: { code: string; message: string } };
  return {
    status: response.status,
    code: error?.code,
    message: error?.message ?? '',
    retryAfter: response.headers.get('retry-after'),
    tookMs: performance.now() - beganMs,
  };
}

class Reader {
  text = '';
  code: string | undefined;
  isDone = false;
  readonly breaches: string[] = [];
  #rest = '';

  push(piece: string): void {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('data:')) this.#event(line.slice(5).trim());
  }

  #event(data: string): void {
    if (this.isDone || this.code !== undefined)
      this.breaches.push(`got ${data.slice(0, 60)} after its end`);
    if (data === '[DONE]') {
      this.isDone = true;
      return;
    }
    const { error, choices } = JSON.parse(data) as {
      error?: { code: string };
      choices?: { text?: string }[];
    };
    if (error !== undefined) this.code = error.code;
    this.text += choices?.[0]?.text ?? '';
  }
}

function codeOf(body: string): string {
  try {
    return (JSON.parse(body) as { error: { code: string } }).error.code;
  } catch {
    return 'unreadable';
  }
}
