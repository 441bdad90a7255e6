/**
 * What happened to every request of an experiment, and what must hold of it whatever broke. Pure.
 *
 * Each prompt carries a nonce and the fake model says it over and over, so that what an answer must be is
 * known to the letter, and a token of another answer in it is seen.
 *
 * Source  the checker of Jepsen in small: a history of invocations and their outcomes.
 */
export interface Invocation {
  readonly id: number;
  readonly nonce: string;
  /** Tokens that were asked for; one is a byte. */
  readonly tokens: number;
}

export interface Outcome extends Invocation {
  /** `hung`: no end came within the limit. `left`: the client went away itself. */
  readonly end: 'answered' | 'failed' | 'left' | 'hung';
  /** Of the answer's head; 0 when none came. */
  readonly status: number;
  readonly text: string;
  /** Of the error, in the head or in the stream; `connection` when there was none. */
  readonly code: string | undefined;
  /** When to come back, by the answer's head. */
  readonly retryAfterMs: number | undefined;
  /** Events after the end, `[DONE]` after an error, two ends. */
  readonly breaches: readonly string[];
}

export interface Rules {
  /** Codes with which requests may fail in this experiment. */
  readonly mayFailWith: readonly string[];
}

/** One line for everything that must not be. */
export function checkHistory(
  outcomes: readonly Outcome[],
  { mayFailWith }: Rules,
): readonly string[] {
  const problems: string[] = [];
  const seen = new Set<number>();
  for (const outcome of outcomes) {
    const { id, end, code, text } = outcome;
    const say = (what: string) => problems.push(`request ${id}: ${what}`);
    if (seen.has(id)) say('ended twice');
    seen.add(id);
    for (const breach of outcome.breaches) say(breach);
    const expected = expectedText(outcome);
    if (!expected.startsWith(text)) say(`said ${JSON.stringify(text.slice(0, 80))}, not its nonce`);
    if (end === 'hung') say('never ended');
    if (end === 'answered' && text !== expected) {
      say(`was answered with ${text.length} of ${expected.length} characters`);
    }
    if (end === 'failed' && !mayFailWith.includes(code ?? '')) say(`failed with ${code}`);
  }
  return problems;
}

export function expectedText({ nonce, tokens }: Invocation): string {
  return `${nonce} `.repeat(Math.ceil(tokens / (nonce.length + 1))).slice(0, tokens);
}
