/**
 * Reads a pattern character by character: by code points under Unicode semantics (flag `u`), by
 * UTF-16 units without. Positions are UTF-16 units in both.
 */
import { EVERY_CODE_POINT, type Ranges } from '../ranges.ts';
import { RegexError } from './error.ts';

const EVERY_UNIT: Ranges = [0, 0xffff];

export class RegexReader {
  readonly source: string;
  readonly isUnicode: boolean;
  /** Everything that one step of a match can read. */
  readonly universe: Ranges;
  at = 0;

  constructor(source: string, isUnicode: boolean) {
    this.source = source;
    this.isUnicode = isUnicode;
    this.universe = isUnicode ? EVERY_CODE_POINT : EVERY_UNIT;
  }

  get isAtEnd(): boolean {
    return this.at >= this.source.length;
  }

  peek(ahead = 0): string {
    return this.source[this.at + ahead] ?? '';
  }

  /** Reads the text if it comes next. */
  eat(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  /** Reads what the pattern finds here; it must be sticky (flag `y`). */
  match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source);
    if (found === null) return undefined;
    this.at += found[0].length;
    return found;
  }

  /** One character of the pattern, as its number. */
  next(): number {
    const code = this.isUnicode
      ? this.source.codePointAt(this.at)!
      : this.source.charCodeAt(this.at);
    this.at += code > 0xffff ? 2 : 1;
    return code;
  }

  syntax(why: string, at = this.at): RegexError {
    return new RegexError({ why, at, kind: 'syntax' });
  }

  refused(why: string, at: number): RegexError {
    return new RegexError({ why, at, kind: 'refused' });
  }
}
