/**
 * GBNF text in the making: sequences of literals and references, and named rules of their alternatives.
 *
 * Repeats stay at 256 or below, because the native parser expands every bounded one and reads those above
 * 2,000 as unbounded; longer ones become chains of rules.
 *
 * Errors  GrammarBudgetError past `maxBytes`: a refusal that does not depend on time.
 */
export class GrammarBudgetError extends Error {
  override name = 'GrammarBudgetError';

  constructor(maxBytes: number) {
    super(`its grammar has more than ${maxBytes} bytes`);
  }
}

/** `text` is taken literally, `rule` is a name, `raw` is GBNF that binds like one symbol. */
export type Part = { readonly text: string } | { readonly rule: string } | { readonly raw: string };
export type Sequence = readonly Part[];

export const MAX_BYTES = 256 * 1024;
const REPEAT_MAX = 256;

export class Rules {
  readonly #maxBytes: number;
  readonly #bodies = new Map<string, string>();
  readonly #chunks = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** A name that is not taken: `object`, `object-2`, … The rule has to follow. */
  reserve(kind: string): string {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return count === 1 ? kind : `${kind}-${count}`;
  }

  define(name: string, alternatives: readonly Sequence[]): void {
    this.defineRaw(name, alternatives.map(printSequence).join(' | '));
  }

  defineRaw(name: string, body: string): void {
    this.#bytes += name.length + body.length + 6;
    if (this.#bytes > this.#maxBytes) throw new GrammarBudgetError(this.#maxBytes);
    this.#bodies.set(name, body);
  }

  /** `part` at least `min` and at most `max` times; `max` may be infinite. */
  repeat(part: Part, min: number, max: number): Sequence {
    const parts: Part[] = [];
    let left = min;
    // What is needed, in pieces that the native parser does not take for unbounded.
    if (left > REPEAT_MAX) {
      const chunk = this.#chunk(part);
      for (; left > REPEAT_MAX; left -= REPEAT_MAX) {
        parts.push({ rule: chunk });
        if (parts.length * chunk.length > this.#maxBytes)
          throw new GrammarBudgetError(this.#maxBytes);
      }
    }
    if (max === Number.POSITIVE_INFINITY) {
      if (left > 1) parts.push({ raw: `${printPart(part)}{${left}}` });
      else if (left === 1) parts.push(part);
      parts.push({ raw: `${printPart(part)}*` });
      return parts;
    }
    const open = max - min;
    if (open <= REPEAT_MAX - left) {
      if (left + open > 0) parts.push(bounded(part, left, left + open));
      return parts;
    }
    if (left > 0) parts.push(bounded(part, left, left));
    parts.push({ rule: this.#upTo(part, open) });
    return parts;
  }

  /** In the order in which the rules were made, `root` first. */
  print(root: Sequence): string {
    const lines = [`root ::= ${printSequence(root)}`];
    for (const [name, body] of this.#bodies) lines.push(`${name} ::= ${body}`);
    return `${lines.join('\n')}\n`;
  }

  /** Exactly REPEAT_MAX of `part`. */
  #chunk(part: Part): string {
    const key = printPart(part);
    const known = this.#chunks.get(key);
    if (known !== undefined) return known;
    const name = this.reserve('many');
    this.#chunks.set(key, name);
    this.define(name, [[{ raw: `${key}{${REPEAT_MAX}}` }]]);
    return name;
  }

  /** Either a whole piece and what is left, or less than a piece: two ways at most are open at any time. */
  #upTo(part: Part, max: number): string {
    const chunk = this.#chunk(part);
    const names: string[] = [];
    const sizes: number[] = [];
    for (let left = max; ; left -= REPEAT_MAX) {
      const key = `${chunk}<${left}`;
      const known = this.#chunks.get(key);
      if (known !== undefined) {
        names.push(known);
        sizes.push(-1);
        break;
      }
      const name = this.reserve('some');
      this.#chunks.set(key, name);
      names.push(name);
      sizes.push(left);
      if (left < REPEAT_MAX) break;
    }
    for (const [at, name] of names.entries()) {
      const size = sizes[at]!;
      if (size < 0) continue;
      if (size < REPEAT_MAX) this.define(name, [[bounded(part, 0, size)]]);
      else {
        const rest = { rule: names[at + 1]! };
        this.define(name, [[{ rule: chunk }, rest], [bounded(part, 0, REPEAT_MAX - 1)]]);
      }
    }
    return names[0]!;
  }
}

function bounded(part: Part, min: number, max: number): Part {
  if (min === 1 && max === 1) return part;
  const text = printPart(part);
  if (min === 0 && max === 1) return { raw: `${text}?` };
  return { raw: min === max ? `${text}{${min}}` : `${text}{${min},${max}}` };
}

/** Literals that stand together become one. */
function printSequence(sequence: Sequence): string {
  const merged: Part[] = [];
  for (const part of sequence) {
    const last = merged.at(-1);
    if ('text' in part && last !== undefined && 'text' in last) {
      merged[merged.length - 1] = { text: last.text + part.text };
    } else merged.push(part);
  }
  const printed = merged.filter((part) => !('text' in part) || part.text !== '').map(printPart);
  return printed.length === 0 ? '""' : printed.join(' ');
}

function printPart(part: Part): string {
  if ('rule' in part) return part.rule;
  if ('raw' in part) return part.raw;
  return literal(part.text);
}

/** Printable ASCII as it is, everything else by its number, so that the text survives any encoding. */
function literal(text: string): string {
  let out = '"';
  for (const sign of text) {
    const code = sign.codePointAt(0)!;
    if (sign === '"' || sign === '\\') out += `\\${sign}`;
    else if (code >= 0x20 && code < 0x7f) out += sign;
    else if (code <= 0xff) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code <= 0xffff) out += `\\u${code.toString(16).padStart(4, '0')}`;
    else out += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return `${out}"`;
}
