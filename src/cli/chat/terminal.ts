/** How a chat looks: pieces of an answer made safe for a terminal, and the figures after it. */
import type { Turn } from './conversation.ts';

/**
 * A model may write anything, also sequences that move the cursor or set the window's title.
 * Line breaks and tabs stay.
 */
export function safeForTerminal(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, '\ufffd');
}

/** Tokens that came within less than this came in one piece: their rate would be a fiction. */
const RATE_MIN_MS = 100;

/** `64 tokens · 98.2 tokens/s · first after 0.12 s`, or what there is of it. */
export function figures({ outcome, tokens, reason, firstTextMs, textMs }: Turn): string {
  const parts: string[] = [];
  if (outcome === 'cancelled') parts.push('cancelled');
  if (tokens !== undefined) parts.push(`${tokens} ${tokens === 1 ? 'token' : 'tokens'}`);
  // The first token belongs to the prompt's reading, so n tokens are n - 1 steps.
  if (tokens !== undefined && tokens > 1 && textMs >= RATE_MIN_MS) {
    parts.push(`${(((tokens - 1) * 1000) / textMs).toFixed(1)} tokens/s`);
  }
  if (firstTextMs !== undefined) parts.push(`first after ${(firstTextMs / 1000).toFixed(2)} s`);
  if (reason === 'length') parts.push('cut at the length limit');
  return parts.join(' · ');
}
