/**
 * What the fake model answers: a pure function of script, prompt and sampling.
 *
 * The last user text (or the text of a completion) may hold commands, which are taken out of it:
 *
 *   [[tokens:N]]      the answer has exactly N tokens, repeated as often as it takes
 *   [[slow:MS]]       one token every MS milliseconds
 *   [[prefill:MS]]    the prompt takes so long to read
 *   [[die-after:N]]   the process dies before its token N + 1; [[die]] is [[die-after:0]]
 *   [[die-once:N]]    as [[die]], but only the first time any worker of this script sees this N
 *   [[hang-after:N]]  the loop stops and heartbeats go on; [[hang]] is [[hang-after:0]]
 *   [[throw-after:N]] an exception that nobody catches; [[throw]] is [[throw-after:0]]
 *   [[freeze-after:N]] the whole process stands still; [[freeze]] is [[freeze-after:0]]
 *   [[spin-after:N]]  the same, and it takes all of a core; [[spin]] is [[spin-after:0]]
 *
 * Sampling is honoured as by a model that is sure of what it says: bias can ban or force a token,
 * penalties and cuts change nothing. Above temperature 0 the seed shows: echo and count end with a
 * word made of it. Under a grammar it says a sentence of it, and `tokens` has no say.
 */
import type { Grammar, Prompt, Sampling } from '../../../core/engine.ts';
import type { FakeScript } from './script.ts';
import { drawFrom, underGrammar } from './sentence.ts';
import { type PieceBytes, toText, toTokens } from './vocabulary.ts';

export interface ReplyPlan {
  /** One round of the answer, never empty; it begins anew when more is wanted. */
  readonly round: readonly number[];
  /** Tokens before the model ends by itself. */
  readonly naturalTokens: number;
  readonly msPerToken: number;
  /** Undefined: as the script says. */
  readonly prefillMs: number | undefined;
  readonly dieAfterTokens: number | undefined;
  readonly dieOnce: number | undefined;
  readonly hangAfterTokens: number | undefined;
  readonly throwAfterTokens: number | undefined;
  readonly freezeAfterTokens: number | undefined;
  readonly spinAfterTokens: number | undefined;
}

const COMMAND = /\[\[([a-z-]+)(?::(\d{1,9}))?\]\]/g;

export function planReply(
  script: FakeScript,
  prompt: Prompt,
  {
    sampling,
    pieceBytes,
    grammar,
  }: {
    readonly sampling: Sampling;
    readonly pieceBytes: PieceBytes;
    /** One that `drawFrom` finds a sentence of. */
    readonly grammar?: Grammar | undefined;
  },
): ReplyPlan {
  const commands = new Map<string, number>();
  const said = lastText(prompt).replace(COMMAND, (_, name: string, value: string | undefined) => {
    commands.set(name, Number(value ?? 0));
    return '';
  });
  const free = answerTo(script, said, sampling);
  const sentence = grammar && drawFrom(grammar, sampling.seed);
  const bound = grammar && underGrammar(free, grammar, sentence ?? '');
  const answer = toTokens(bound ?? free, pieceBytes);
  const wanted = grammar ? undefined : commands.get('tokens');
  // Rounds are told apart by a space, as words are.
  const isRepeated = sampling.ignoreEos || (wanted ?? 0) > answer.length;
  const spoken = isRepeated || answer.length === 0 ? [...answer, ...toTokens(' ', 1)] : answer;
  const round = applyBias(spoken, sampling.logitBias);
  const slow = commands.get('slow');
  const die = commands.get('die-after') ?? commands.get('die');
  const hang = commands.get('hang-after') ?? commands.get('hang');
  return {
    round: round.length > 0 ? round : spoken,
    naturalTokens: round.length === 0 ? 0 : (wanted ?? naturalLength(answer, round, sampling)),
    msPerToken: slow ?? (script.tokensPerSecond > 0 ? 1000 / script.tokensPerSecond : 0),
    prefillMs: commands.get('prefill'),
    dieAfterTokens: die ?? script.dieAfterTokens,
    dieOnce: commands.get('die-once'),
    hangAfterTokens: hang ?? script.hangAfterTokens,
    throwAfterTokens: commands.get('throw-after') ?? commands.get('throw'),
    freezeAfterTokens: commands.get('freeze-after') ?? commands.get('freeze'),
    spinAfterTokens: commands.get('spin-after') ?? commands.get('spin'),
  };
}

function lastText(prompt: Prompt): string {
  if ('tokens' in prompt) return toText(prompt.tokens);
  if ('text' in prompt) return prompt.text;
  const last = prompt.messages.findLast(({ role }) => role === 'user');
  return last?.parts.map(({ text }) => text).join('') ?? '';
}

function answerTo({ reply }: FakeScript, said: string, sampling: Sampling): string {
  switch (reply.kind) {
    case 'text':
      return reply.text;
    case 'echo':
      return said + seedWord(sampling);
    case 'count':
      return (
        Array.from({ length: reply.to }, (_, index) => index + 1).join(' ') + seedWord(sampling)
      );
  }
}

function seedWord({ temperature, seed }: Sampling): string {
  return temperature > 0 ? ` ~${seed.toString(36)}` : '';
}

/** +100 and above forces a token for good, -100 and below bans it, as on a real model. */
function applyBias(ids: readonly number[], bias: Sampling['logitBias']): readonly number[] {
  const forced = bias.find(([, value]) => value >= 100);
  if (forced) return [forced[0]];
  const banned = new Set(bias.filter(([, value]) => value <= -100).map(([id]) => id));
  return banned.size === 0 ? ids : ids.filter((id) => !banned.has(id));
}

function naturalLength(
  answer: readonly number[],
  round: readonly number[],
  { logitBias, ignoreEos }: Sampling,
): number {
  // A forced token leaves no room for the end of the turn.
  if (ignoreEos || logitBias.some(([, value]) => value >= 100)) return Number.POSITIVE_INFINITY;
  return answer.length === 0 ? 0 : round.length;
}
