/**
 * Looks at a JSON text byte by byte while it arrives, and refuses what JSON.parse would guess at or
 * choke on. After `end()` returned, JSON.parse on the same bytes succeeds, loses nothing and takes
 * bounded time.
 *
 *   push(bytes)* ──▶ end()          each may throw; nothing may follow a throw
 *
 * Refused besides what is not JSON: anything but an object, a byte order mark, invalid UTF-8, lone
 * surrogates, duplicate keys, numbers past 2^53, more than 200 levels, more than 50,000 keys and
 * elements, more than 1,048,576 numbers in arrays (token arrays are long and cheap, so they are
 * counted apart), more than 2,097,152 escapes (JSON.parse copies a string with escapes character by
 * character), a number longer than 128 characters, a key longer than 1,024 bytes.
 *
 * Units   offsets in bytes from the start of the text.
 * Errors  RequestError `invalid_json` with the offset; no text of the client in the message.
 * Source  RFC 8259; RFC 3629 §4 for the UTF-8 table.
 */
import { RequestError } from '../core/errors.ts';

/** A schema of 64 levels has two or three of JSON for each of them. */
export const DEPTH_MAX = 200;
export const ITEMS_MAX = 50_000;
export const NUMBERS_MAX = 1 << 20;
export const ESCAPES_MAX = 1 << 21;
const NUMBER_LENGTH_MAX = 128;
const KEY_BYTES_MAX = 1024;
/** From here on a Set finds a duplicate faster than a list. */
const KEYS_IN_LIST = 16;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

type Mode =
  | 'value'
  | 'value-or-end'
  | 'key'
  | 'key-or-end'
  | 'colon'
  | 'after'
  | 'done'
  | 'string'
  | 'escape'
  | 'hex'
  | 'number'
  | 'literal';

interface Level {
  readonly isObject: boolean;
  readonly keys: string[];
  keySet: Set<string> | undefined;
}

export class JsonScanner {
  #mode: Mode = 'value';
  #offset = 0;
  #items = 0;
  #numbers = 0;
  #escapes = 0;
  #hasNonAscii = false;
  readonly #levels: Level[] = [];

  /** Strings. Key bytes are kept as Latin-1, one character a byte: enough to compare them. */
  #isKey = false;
  #key = '';
  #high = 0;
  #hex = 0;
  #hexDigits = 0;

  /** UTF-8: continuation bytes still due, and the range of the next one. */
  #due = 0;
  #low = 0x80;
  #top = 0xbf;

  /** A number or a literal, across pushes. */
  #word = '';

  /** False: the text can be decoded as Latin-1, which is a copy. */
  get hasNonAscii(): boolean {
    return this.#hasNonAscii;
  }

  push(bytes: Uint8Array): void {
    const end = bytes.length;
    let i = 0;
    while (i < end) {
      switch (this.#mode) {
        case 'string':
          i = this.#string(bytes, i);
          break;
        case 'number':
        case 'literal':
          i = this.#wordPart(bytes, i);
          break;
        case 'escape':
          this.#escape(bytes[i]!, i);
          i += 1;
          break;
        case 'hex':
          this.#hexDigit(bytes[i]!, i);
          i += 1;
          break;
        default:
          this.#structure(bytes[i]!, i);
          i += 1;
      }
    }
    this.#offset += end;
  }

  end(): void {
    if (this.#mode !== 'done') this.#refuse('the text ends too early', 0);
  }

  /** Between values: white space and punctuation. */
  #structure(byte: number, at: number): void {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return;
    const mode = this.#mode;
    if (mode === 'value' || mode === 'value-or-end') {
      if (byte === 0x5d && mode === 'value-or-end') this.#close();
      else this.#value(byte, at);
    } else if (mode === 'key' || mode === 'key-or-end') {
      if (byte === 0x22) this.#openString(true);
      else if (byte === 0x7d && mode === 'key-or-end') this.#close();
      else this.#refuse('expected a key', at);
    } else if (mode === 'colon') {
      if (byte !== 0x3a) this.#refuse('expected a colon', at);
      this.#mode = 'value';
    } else if (mode === 'after') {
      const isObject = this.#levels.at(-1)!.isObject;
      if (byte === 0x2c) this.#mode = isObject ? 'key' : 'value';
      else if (byte === (isObject ? 0x7d : 0x5d)) this.#close();
      else this.#refuse('expected a comma or the end of the object or array', at);
    } else {
      this.#refuse('expected nothing after the object', at);
    }
  }

  #value(byte: number, at: number): void {
    const level = this.#levels.at(-1);
    if (level === undefined) {
      if (byte === 0xef) this.#refuse('starts with a byte order mark', at);
      if (byte !== 0x7b) this.#refuse('expected an object', at);
    }
    const isNumber = byte === 0x2d || (byte >= 0x30 && byte <= 0x39);
    if (level !== undefined && !level.isObject) {
      if (isNumber) this.#countNumber(at);
      else this.#countItem(at);
    }
    if (byte === 0x22) this.#openString(false);
    else if (byte === 0x7b) this.#open(true, at);
    else if (byte === 0x5b) this.#open(false, at);
    else if (isNumber) this.#openWord('number', byte);
    else if (byte >= 0x61 && byte <= 0x7a) this.#openWord('literal', byte);
    else this.#refuse('expected a value', at);
  }

  #countItem(at: number): void {
    this.#items += 1;
    if (this.#items > ITEMS_MAX) this.#refuse(`more than ${ITEMS_MAX} keys and elements`, at);
  }

  #countNumber(at: number): void {
    this.#numbers += 1;
    if (this.#numbers > NUMBERS_MAX) this.#refuse(`more than ${NUMBERS_MAX} numbers`, at);
  }

  #countEscape(at: number): void {
    this.#escapes += 1;
    if (this.#escapes > ESCAPES_MAX) this.#refuse(`more than ${ESCAPES_MAX} escapes`, at);
  }

  #open(isObject: boolean, at: number): void {
    if (this.#levels.length >= DEPTH_MAX) this.#refuse(`more than ${DEPTH_MAX} levels`, at);
    this.#levels.push({ isObject, keys: [], keySet: undefined });
    this.#mode = isObject ? 'key-or-end' : 'value-or-end';
  }

  #close(): void {
    this.#levels.pop();
    this.#mode = this.#levels.length === 0 ? 'done' : 'after';
  }

  #openString(isKey: boolean): void {
    this.#isKey = isKey;
    this.#key = '';
    this.#mode = 'string';
  }

  #string(bytes: Uint8Array, from: number): number {
    const end = bytes.length;
    let i = from;
    if (this.#due > 0 || this.#high > 0) {
      // The middle of a character, or a high surrogate that waits for its other half.
      i = this.#due > 0 ? this.#utf8(bytes, i) : i;
      if (i < end && this.#due === 0 && this.#high > 0 && bytes[i] !== 0x5c) this.#lone(i);
    }
    for (; i < end; i += 1) {
      const byte = bytes[i]!;
      if (byte === 0x22) {
        this.#keep(bytes, from, i);
        this.#closeString(i);
        return i + 1;
      }
      if (byte === 0x5c) {
        this.#keep(bytes, from, i);
        this.#countEscape(i);
        this.#mode = 'escape';
        return i + 1;
      }
      if (byte < 0x20) this.#refuse('a control character in a string', i);
      if (byte >= 0x80) {
        this.#lead(byte, i);
        i = this.#utf8(bytes, i + 1) - 1;
      }
    }
    this.#keep(bytes, from, end);
    return end;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    if (!this.#isKey || from === to) return;
    this.#key += Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
    if (this.#key.length > KEY_BYTES_MAX) {
      this.#refuse(`a key longer than ${KEY_BYTES_MAX} bytes`, from);
    }
  }

  #closeString(at: number): void {
    if (!this.#isKey) {
      this.#mode = 'after';
      return;
    }
    this.#countItem(at);
    const level = this.#levels.at(-1)!;
    const key = this.#key;
    if (level.keySet !== undefined) {
      if (level.keySet.has(key)) this.#refuse('a duplicate key', at);
      level.keySet.add(key);
    } else {
      if (level.keys.includes(key)) this.#refuse('a duplicate key', at);
      level.keys.push(key);
      if (level.keys.length > KEYS_IN_LIST) level.keySet = new Set(level.keys);
    }
    this.#mode = 'colon';
  }

  /** First byte of a character of more than one byte. */
  #lead(byte: number, at: number): void {
    this.#hasNonAscii = true;
    this.#low = 0x80;
    this.#top = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) this.#due = 1;
    else if (byte >= 0xe0 && byte <= 0xef) {
      this.#due = 2;
      if (byte === 0xe0) this.#low = 0xa0;
      if (byte === 0xed) this.#top = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      this.#due = 3;
      if (byte === 0xf0) this.#low = 0x90;
      if (byte === 0xf4) this.#top = 0x8f;
    } else this.#refuse('invalid UTF-8', at);
  }

  /** Continuation bytes; returns the index after those that are there. */
  #utf8(bytes: Uint8Array, from: number): number {
    let i = from;
    for (; this.#due > 0 && i < bytes.length; i += 1) {
      const byte = bytes[i]!;
      if (byte < this.#low || byte > this.#top) this.#refuse('invalid UTF-8', i);
      this.#low = 0x80;
      this.#top = 0xbf;
      this.#due -= 1;
    }
    return i;
  }

  #escape(byte: number, at: number): void {
    if (byte === 0x75) {
      this.#hex = 0;
      this.#hexDigits = 0;
      this.#mode = 'hex';
      return;
    }
    if (this.#high > 0) this.#lone(at);
    const character = ESCAPES.get(byte);
    if (character === undefined) this.#refuse('an unknown escape in a string', at);
    if (this.#isKey) this.#key += character;
    this.#mode = 'string';
  }

  #hexDigit(byte: number, at: number): void {
    const digit = Number.parseInt(String.fromCharCode(byte), 16);
    if (Number.isNaN(digit)) this.#refuse('an unknown escape in a string', at);
    this.#hex = this.#hex * 16 + digit;
    this.#hexDigits += 1;
    if (this.#hexDigits < 4) return;

    const unit = this.#hex;
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (isLow !== this.#high > 0) this.#lone(at);
    this.#mode = 'string';
    if (unit >= 0xd800 && unit <= 0xdbff) {
      this.#high = unit;
      return;
    }
    if (this.#isKey) {
      const text =
        this.#high > 0 ? String.fromCharCode(this.#high, unit) : String.fromCharCode(unit);
      this.#key += Buffer.from(text, 'utf8').toString('latin1');
    }
    this.#high = 0;
  }

  #openWord(mode: 'number' | 'literal', byte: number): void {
    this.#word = String.fromCharCode(byte);
    this.#mode = mode;
  }

  #wordPart(bytes: Uint8Array, from: number): number {
    const isNumber = this.#mode === 'number';
    let i = from;
    while (i < bytes.length && (isNumber ? isNumeric(bytes[i]!) : isLetter(bytes[i]!))) i += 1;
    if (i - from + this.#word.length > NUMBER_LENGTH_MAX) {
      this.#refuse(`a word or number longer than ${NUMBER_LENGTH_MAX} characters`, from);
    }
    for (let k = from; k < i; k += 1) this.#word += String.fromCharCode(bytes[k]!);
    if (i === bytes.length) return i;
    if (isNumber) this.#checkNumber(i);
    else if (this.#word !== 'true' && this.#word !== 'false' && this.#word !== 'null') {
      this.#refuse('expected a value', i);
    }
    this.#mode = 'after';
    return i;
  }

  #checkNumber(at: number): void {
    const word = this.#word;
    if (!NUMBER.test(word)) this.#refuse('expected a number', at);
    // 2^53 + 1 rounds to 2^53, so the text decides whether it is meant.
    if (Math.abs(Number(word)) >= 2 ** 53 && !/^-?9007199254740992$/.test(word)) {
      this.#refuse('a number past 2^53, which cannot be kept exactly', at);
    }
  }

  #lone(at: number): never {
    this.#refuse('a lone surrogate in a string', at);
  }

  #refuse(what: string, at: number): never {
    throw new RequestError(
      'invalid_json',
      `Expected the body to be one JSON object: ${what}, at byte ${this.#offset + at}`,
    );
  }
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x22, '"'],
  [0x5c, '\\'],
  [0x2f, '/'],
  [0x62, '\b'],
  [0x66, '\f'],
  [0x6e, '\n'],
  [0x72, '\r'],
  [0x74, '\t'],
]);

/** What a number can be made of; its grammar is checked when it is whole. */
function isNumeric(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e ||
    byte === 0x65 ||
    byte === 0x45
  );
}

function isLetter(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}
