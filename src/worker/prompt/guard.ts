/**
 * Keeps text from users from becoming special tokens. Pure.
 *
 * A chat template is rendered to one string and tokenised with specials on, so that its own
 * `<|im_end|>` is a token. The same characters inside a message must stay characters. Before
 * rendering, each special text found in a user's string is broken by a private-use character that
 * the request does not contain; after rendering, the result is split there and the pieces are
 * tokenised one by one.
 *
 * Shapes  text without hits is not touched, so it gives the same tokens as without a guard.
 * Source  rule 7 of gguf.md.
 */

export interface Guard {
  /** Breaks every special text in `text`. `own` is text that the model itself has written. */
  protect(text: string, own?: boolean): string;
  /** The rendered prompt in pieces, none of which contains a special text from a user. */
  split(rendered: string): string[];
}

export interface GuardOptions {
  /** Never from a user, in any turn. */
  readonly control: readonly string[];
  /** Not from a user, but left alone in the model's own turns: templates look for them. */
  readonly marks: readonly string[];
  /** All strings of the request: the breaking character must be in none of them. */
  readonly request: readonly string[];
}

export function createGuard({ control, marks, request }: GuardOptions): Guard {
  const breaker = absentCharacter(request);
  const anywhere = matcher([...control, ...marks]);
  const inOwnTurns = matcher(control);
  return {
    protect(text, own = false) {
      const special = own ? inOwnTurns : anywhere;
      return special === undefined ? text : breakAll(text, special, breaker);
    },
    split: (rendered) => rendered.split(breaker).filter((piece) => piece !== ''),
  };
}

/** Searches again after each break: the halves of a broken text may form another one. */
function breakAll(text: string, special: RegExp, breaker: string): string {
  let result = text;
  for (;;) {
    const next = result.replace(special, (hit) => {
      const [first = ''] = hit;
      return first + breaker + hit.slice(first.length);
    });
    if (next === result) return result;
    result = next;
  }
}

/** Longest first, so that a text that begins like another is taken whole. */
function matcher(specials: readonly string[]): RegExp | undefined {
  const texts = specials.filter((text) => text.length > 1).sort((a, b) => b.length - a.length);
  if (texts.length === 0) return undefined;
  return new RegExp(texts.map(RegExp.escape).join('|'), 'gu');
}

const PRIVATE_FIRST = 0xe000;
const PRIVATE_LAST = 0xf8ff;

function absentCharacter(request: readonly string[]): string {
  for (let code = PRIVATE_FIRST; code <= PRIVATE_LAST; code++) {
    const char = String.fromCharCode(code);
    if (!request.some((text) => text.includes(char))) return char;
  }
  throw new RangeError('Every private-use character occurs in the request');
}
