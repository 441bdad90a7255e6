/**
 * Which bytes may come next in valid UTF-8, over token borders. Pure.
 *
 * llama.cpp's grammars count continuation bytes and do not look at them: they take overlong forms,
 * surrogates and what lies above U+10FFFF for characters. A reader's decoder makes U+FFFD of them, so
 * that the answer would no longer be the text that the grammar has seen.
 *
 * Shapes  a token is a piece from the middle of a text: it may begin and end inside a character.
 * Source  https://encoding.spec.whatwg.org/#utf-8-decoder (needed, lower boundary, upper boundary).
 */

/** Between two bytes. */
export interface Utf8State {
  /** Continuation bytes until the character is whole. */
  readonly needed: number;
  /** The next one lies between them. */
  readonly low: number;
  readonly high: number;
}

const state = (needed: number, low = 0x80, high = 0xbf): Utf8State => ({ needed, low, high });

export const WHOLE: Utf8State = state(0);
const OPEN = [WHOLE, state(1), state(2), state(3)] as const;
/** Where only a part of the continuation bytes makes a character. */
const NARROW: ReadonlyMap<number, Utf8State> = new Map([
  [0xe0, state(2, 0xa0)],
  [0xed, state(2, 0x80, 0x9f)],
  [0xf0, state(3, 0x90)],
  [0xf4, state(3, 0x80, 0x8f)],
]);

/** Every state that there is. */
export const UTF8_STATES: readonly Utf8State[] = [...OPEN, ...NARROW.values()];

/** Undefined where the bytes cannot follow. */
export function advanceUtf8(from: Utf8State, bytes: Uint8Array): Utf8State | undefined {
  let at: Utf8State | undefined = from;
  for (const byte of bytes) {
    at = at.needed === 0 ? begin(byte) : goOn(at, byte);
    if (at === undefined) return undefined;
  }
  return at;
}

function begin(byte: number): Utf8State | undefined {
  if (byte < 0x80) return WHOLE;
  if (byte < 0xc2 || byte > 0xf4) return undefined;
  return NARROW.get(byte) ?? OPEN[byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3];
}

function goOn({ needed, low, high }: Utf8State, byte: number): Utf8State | undefined {
  return byte < low || byte > high ? undefined : OPEN[needed - 1];
}

export interface Piece {
  /** It can stand somewhere in valid UTF-8. */
  readonly isPossible: boolean;
  /** It has the end of a character in it and ends inside of the next one. */
  readonly isStraddling: boolean;
}

export function toPiece(bytes: Uint8Array): Piece {
  const isContinuation = (byte: number) => (byte & 0xc0) === 0x80;
  let lead = 0;
  while (lead < bytes.length && isContinuation(bytes[lead]!)) lead++;
  const rest = advanceUtf8(WHOLE, bytes.subarray(lead));
  const isPossible = lead <= 3 && rest !== undefined;
  const lastBegin = bytes.findLastIndex((byte) => !isContinuation(byte));
  return { isPossible, isStraddling: isPossible && rest.needed > 0 && lastBegin > 0 };
}
