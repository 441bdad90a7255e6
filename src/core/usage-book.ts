/** The port to whoever remembers how much each tenant has used. Days are those of UTC. */
import type { Usage } from './engine.ts';

export interface UsageBook {
  /** Prompt and generated tokens since the day began. */
  tokensToday(tenant: string): number;
  msToNextDay(): number;
  /** A generation is over. A list of prompts is one request: `requests` is 0 for all but the first. */
  note(tenant: string, usage: Usage, requests: 0 | 1): void;
}

/** For a server without keys: nobody is told from anybody. */
export const noUsageBook: UsageBook = {
  tokensToday: () => 0,
  msToNextDay: () => 0,
  note: () => {},
};
