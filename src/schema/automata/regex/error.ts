/** A pattern that cannot become an automaton: one line, with what and where. */

export interface RegexProblem {
  /** What it is: `look-ahead`, `a back-reference`, `a group that is not closed`. */
  readonly why: string;
  /** Position in the pattern, in UTF-16 units from 0. */
  readonly at: number;
  /** `syntax`: not a regular expression. `refused`: one, that this server does not enforce. */
  readonly kind: 'syntax' | 'refused';
}

export class RegexError extends Error implements RegexProblem {
  override readonly name = 'RegexError';
  readonly why: string;
  readonly at: number;
  readonly kind: 'syntax' | 'refused';

  constructor({ why, at, kind }: RegexProblem) {
    super(
      kind === 'syntax'
        ? `The pattern is not a regular expression of ECMA-262: ${why} at ${at}.`
        : `The pattern cannot be enforced: ${why} at ${at}.`,
    );
    this.why = why;
    this.at = at;
    this.kind = kind;
  }
}
