/**
 * Tokens of the fake model, without a table: a token is a piece of one to three bytes and its id
 * says which. Pieces do not respect characters, so that a token may end inside one, as with a real
 * byte-level vocabulary.
 *
 *   0 … 255            one byte            65 792 … 16 843 007   three bytes
 *   256 … 65 791       two bytes           16 843 008 and up     marks, which no text can produce
 */
import type { Prompt } from '../../../core/engine.ts';

const TWO = 0x100;
const THREE = TWO + 0x1_0000;
const MARKS = THREE + 0x100_0000;
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'] as const;
const END_OF_TURN = MARKS + ROLES.length;

export const VOCABULARY_SIZE = END_OF_TURN + 1;

const encoder = new TextEncoder();
const NO_BYTES = new Uint8Array();

export type PieceBytes = 1 | 3;

/** Words with the white space before them, in pieces of at most `pieceBytes` bytes. */
export function toTokens(text: string, pieceBytes: PieceBytes): number[] {
  const bytes = encoder.encode(text);
  const ids: number[] = [];
  let start = 0;
  for (let at = 1; at <= bytes.length; at++) {
    const isWordStart = isSpace(bytes[at]) && !isSpace(bytes[at - 1]);
    if (at - start < pieceBytes && at < bytes.length && !isWordStart) continue;
    ids.push(toId(bytes, start, at));
    start = at;
  }
  return ids;
}

/** The bytes a token stands for; none for a mark. */
export function toBytes(id: number): Uint8Array {
  if (id < TWO) return Uint8Array.of(id);
  if (id < THREE) return Uint8Array.of((id - TWO) >> 8, (id - TWO) & 0xff);
  if (id >= MARKS) return NO_BYTES;
  const value = id - THREE;
  return Uint8Array.of(value >> 16, (value >> 8) & 0xff, value & 0xff);
}

/** The tokens of a prompt. Text never becomes a mark: marks are put between texts here. */
export function toPromptTokens(prompt: Prompt, pieceBytes: PieceBytes): number[] {
  if ('tokens' in prompt) return [...prompt.tokens];
  if ('text' in prompt) return toTokens(prompt.text, pieceBytes);
  const ids: number[] = [];
  for (const { role, parts } of prompt.messages) {
    ids.push(MARKS + ROLES.indexOf(role));
    for (const { text } of parts) {
      // One by one: spreading a long prompt into a call overflows the stack.
      for (const id of toTokens(text, pieceBytes)) ids.push(id);
    }
    ids.push(END_OF_TURN);
  }
  ids.push(MARKS + ROLES.indexOf('assistant'));
  return ids;
}

/** Readable form of a whole prompt, marks included. */
export function toText(ids: readonly number[]): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let text = '';
  for (const id of ids) {
    const mark = id === END_OF_TURN ? 'end' : ROLES[id - MARKS];
    text += mark ? `${decoder.decode()}<|${mark}|>` : decoder.decode(toBytes(id), { stream: true });
  }
  return text + decoder.decode();
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a;
}

function toId(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 0x100 + (bytes[at] ?? 0);
  return value + (end - start === 1 ? 0 : end - start === 2 ? TWO : THREE);
}
