/**
 * Characters, classes and texts in GBNF, as ASCII.
 *
 * Within a class `-`, `^`, `]` and `\` are written as numbers, which no parser can take for an
 * operator. Source: llama.cpp, `src/llama-grammar.cpp` (`parse_char`).
 */
import type { Ranges } from './ranges.ts';

export function toGbnfText(text: string): string {
  let printed = '';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (character === '"' || character === '\\') printed += `\\${character}`;
    else printed += toGbnfCharacter(code);
  }
  return `"${printed}"`;
}

export function toGbnfClass(ranges: Ranges): string {
  let printed = '';
  for (let at = 0; at < ranges.length; at += 2) {
    const [from, to] = [ranges[at]!, ranges[at + 1]!];
    printed += inClass(from);
    if (to > from + 1) printed += '-';
    if (to > from) printed += inClass(to);
  }
  return `[${printed}]`;
}

function inClass(code: number): string {
  return code < 0x7f && '-^[]\\"'.includes(String.fromCharCode(code))
    ? `\\x${hex(code, 2)}`
    : toGbnfCharacter(code);
}

function toGbnfCharacter(code: number): string {
  if (code >= 0x20 && code < 0x7f) return String.fromCharCode(code);
  if (code <= 0xff) return `\\x${hex(code, 2)}`;
  return code <= 0xffff ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, width: number): string {
  return code.toString(16).toUpperCase().padStart(width, '0');
}
