/**
 * What has been said, and one turn of it: asks the server, shows the answer as it comes, keeps both.
 * A turn that fails or is cancelled before any text leaves no trace.
 */
import type { Clock } from '../../core/clock.ts';
import { type ChatMessage, streamChat } from './client.ts';

export interface Turn {
  readonly outcome: 'answered' | 'cancelled';
  readonly tokens: number | undefined;
  readonly reason: string | undefined;
  /** Request to first text; undefined when there was none. */
  readonly firstTextMs: number | undefined;
  /** First to last text. */
  readonly textMs: number;
}

export interface ConversationOptions {
  readonly baseUrl: string;
  readonly model: string;
  readonly system: string | undefined;
  /** With the key, where one is needed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Shows a piece; resolves when the next may come. */
  readonly write: (text: string) => Promise<void>;
}

export class Conversation {
  readonly #options: ConversationOptions;
  #messages: readonly ChatMessage[];

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#messages = this.#beginning();
  }

  reset(): void {
    this.#messages = this.#beginning();
  }

  /** Throws ChatError. */
  async say(content: string, signal: AbortSignal): Promise<Turn> {
    const { baseUrl, model, headers, clock, write } = this.#options;
    const messages: readonly ChatMessage[] = [...this.#messages, { role: 'user', content }];
    const startMs = clock.nowMs();
    let firstMs: number | undefined;
    let lastMs = startMs;
    let answer = '';
    let end: Pick<Turn, 'outcome' | 'tokens' | 'reason'> = {
      outcome: 'cancelled',
      tokens: undefined,
      reason: undefined,
    };
    for await (const event of streamChat({ baseUrl, model, messages, headers, signal })) {
      if (event.type === 'text') {
        lastMs = clock.nowMs();
        firstMs ??= lastMs;
        answer += event.text;
        await write(event.text);
      } else if (event.type === 'done') {
        end = { outcome: 'answered', tokens: event.tokens, reason: event.reason };
      }
    }
    if (answer !== '' || end.outcome === 'answered') {
      this.#messages = [...messages, { role: 'assistant', content: answer }];
    }
    return {
      ...end,
      firstTextMs: firstMs === undefined ? undefined : firstMs - startMs,
      textMs: lastMs - (firstMs ?? lastMs),
    };
  }

  #beginning(): readonly ChatMessage[] {
    const { system } = this.#options;
    return system === undefined ? [] : [{ role: 'system', content: system }];
  }
}
