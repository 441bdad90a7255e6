/**
 * The characters of a grammar text: space and comments, names, numbers, escapes.
 *
 * Errors  GrammarError at the place that it is about.
 * Source  llama.cpp v0.4.0, `src/llama-grammar.cpp`: parse_space, parse_name, parse_int, parse_char.
 */
import { GrammarError, type Place, placeOf } from './error.ts';

const UINT64_MAX = 2n ** 64n - 1n;
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const PLAIN_ESCAPES: Readonly<Record<string, number>> = {
  t: 0x09,
  r: 0x0d,
  n: 0x0a,
  '\\': 0x5c,
  '"': 0x22,
  '[': 0x5b,
  ']': 0x5d,
  '-': 0x2d,
};

export class Scanner {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    // The engine takes a C string in UTF-8: it ends at the first U+0000, and no half of a
    // surrogate pair arrives there.
    const end = text.indexOf('\0');
    this.#text = (end === -1 ? text : text.slice(0, end)).toWellFormed();
  }

  get isAtEnd(): boolean {
    return this.at >= this.#text.length;
  }

  /** One UTF-16 unit; '' at the end. */
  peek(ahead = 0): string {
    return this.#text.charAt(this.at + ahead);
  }

  /** Passes blanks and comments, and line ends where they mean nothing. */
  skipSpace(isNewlineOk: boolean): void {
    for (;;) {
      const next = this.peek();
      if (next === '#') {
        while (!this.isAtEnd && this.peek() !== '\r' && this.peek() !== '\n') this.at++;
      } else if (
        next === ' ' ||
        next === '\t' ||
        (isNewlineOk && (next === '\r' || next === '\n'))
      ) {
        this.at++;
      } else {
        return;
      }
    }
  }

  isAtName(): boolean {
    return isWord(this.peek());
  }

  isAtDigit(): boolean {
    return isDigit(this.peek());
  }

  takeName(): string {
    const start = this.at;
    while (isWord(this.peek())) this.at++;
    if (this.at === start) {
      this.fail(
        `A rule name was expected and ${this.shown()} found`,
        'names are made of a-z, A-Z, 0-9 and -',
      );
    }
    return this.#text.slice(start, this.at);
  }

  /** Large values come back rounded: nothing depends on them beyond their being large. */
  takeInteger(): number {
    const start = this.at;
    while (isDigit(this.peek())) this.at++;
    const digits = this.#text.slice(start, this.at).replace(/^0+(?=\d)/, '');
    if (digits.length > 20 || (digits.length === 20 && BigInt(digits) > UINT64_MAX)) {
      this.at = start;
      this.fail('A repeat count has too many digits', 'write a number below 2000');
    }
    return Number(digits);
  }

  /** A code point, written plainly or as an escape; may exceed U+10FFFF and may be a surrogate. */
  takeCharacter(): number {
    if (this.isAtEnd) this.failAtEnd();
    const codePoint = this.#text.codePointAt(this.at)!;
    if (codePoint !== 0x5c) {
      this.at += codePoint > 0xffff ? 2 : 1;
      return codePoint;
    }
    const letter = this.peek(1);
    const plain = PLAIN_ESCAPES[letter];
    if (plain !== undefined) {
      this.at += 2;
      return plain;
    }
    const size = HEX_DIGITS[letter];
    if (size === undefined) {
      this.fail(
        `The escape \\${letter} is not known`,
        'use \\x41, \\u0041, \\U00000041, \\t, \\r, \\n, \\\\, \\", \\[, \\] or \\-',
      );
    }
    const digits = this.#text.slice(this.at + 2, this.at + 2 + size);
    if (digits.length !== size || !/^[0-9a-fA-F]*$/.test(digits)) {
      this.fail(`The escape \\${letter} needs ${size} hexadecimal digits`, 'add the missing ones');
    }
    this.at += 2 + size;
    return Number.parseInt(digits, 16);
  }

  /** The next character, safe to stand in a message. */
  shown(): string {
    const codePoint = this.#text.codePointAt(this.at);
    if (codePoint === undefined) return 'the end';
    if (codePoint === 0x0a || codePoint === 0x0d) return 'a line end';
    return codePoint > 0x20 && codePoint < 0x7f
      ? `'${String.fromCodePoint(codePoint)}'`
      : `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
  }

  place(offset = this.at): Place {
    return placeOf(this.#text, offset);
  }

  fail(what: string, remedy: string): never {
    throw new GrammarError(what, remedy, this.place());
  }

  failAtEnd(): never {
    this.fail('The grammar ends inside a literal or a class', 'close it with " or ]');
  }
}

function isDigit(unit: string): boolean {
  return unit >= '0' && unit <= '9';
}

function isWord(unit: string): boolean {
  return (
    (unit >= 'a' && unit <= 'z') || (unit >= 'A' && unit <= 'Z') || unit === '-' || isDigit(unit)
  );
}
