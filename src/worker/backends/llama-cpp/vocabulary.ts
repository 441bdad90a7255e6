/**
 * What a token is made of, read from the model file's own token table.
 *
 * Shapes  token ids index `tokens` and `types`, both [vocabulary size].
 * Units   text as UTF-8 bytes: one token may end inside a character.
 * Source  llama.cpp `llama_vocab::impl::token_to_piece`; GPT-2 `bytes_to_unicode`.
 */

/** Token types of GGUF's `tokenizer.ggml.token_type`. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

const EXACT_KINDS: ReadonlySet<string> = new Set(['gpt2', 'llama', 'gemma4']);

export interface VocabularySource {
  /** `gpt2`, `llama`, … as in `tokenizer.ggml.model`. */
  readonly kind: string;
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  isEndOfGeneration(id: number): boolean;
  /** Text of one token by the native tokenizer, for kinds that this file does not know. */
  detokenize(id: number): string;
}

export class Vocabulary {
  readonly #source: VocabularySource;
  readonly #bytes = new Map<number, Uint8Array>();
  #specials: Specials | undefined;
  #longest: number | undefined;
  #ends: readonly number[] | undefined;

  constructor(source: VocabularySource) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.tokens.length;
  }

  /** Most bytes that one token can stand for: a longer text has at least so many tokens. */
  get longestTokenBytes(): number {
    this.#longest ??= this.#source.tokens.reduce(
      (most, text) => Math.max(most, text.length * 3),
      1,
    );
    return this.#longest;
  }

  isEndOfGeneration(id: number): boolean {
    return this.#source.isEndOfGeneration(id);
  }

  /** All tokens at which the model ends by itself. */
  get endsOfGeneration(): readonly number[] {
    this.#ends ??= this.#source.tokens.flatMap((_, id) =>
      this.#source.isEndOfGeneration(id) ? [id] : [],
    );
    return this.#ends;
  }

  /** What the reader sees of a token: control tokens are empty. */
  bytes(id: number): Uint8Array {
    const known = this.#bytes.get(id);
    if (known !== undefined) return known;
    const bytes = this.spell(id);
    this.#bytes.set(id, bytes);
    return bytes;
  }

  /** The same, and does not keep it: for those who go through all tokens. */
  spell(id: number): Uint8Array {
    const text = this.#source.tokens[id];
    const type = this.#source.types[id];
    if (text === undefined || type === CONTROL || type === UNKNOWN) return new Uint8Array();
    if (type === BYTE) return Uint8Array.of(Number.parseInt(text.slice(3, 5), 16));
    switch (this.#source.kind) {
      case 'gpt2':
        return type === USER_DEFINED ? utf8(text) : byteLevel(text);
      case 'llama':
      case 'gemma4':
        return utf8(type === USER_DEFINED ? text : text.replaceAll('▁', ' '));
      default:
        return utf8(this.#source.detokenize(id));
    }
  }

  /** `bytes` are exactly those that the native side sees; of other kinds we have a text only. */
  get isExact(): boolean {
    return EXACT_KINDS.has(this.#source.kind);
  }

  /** Texts that a tokenizer with specials on turns into one token. */
  get specials(): Specials {
    this.#specials ??= this.#findSpecials();
    return this.#specials;
  }

  #findSpecials(): Specials {
    const { tokens, types } = this.#source;
    const control: string[] = [];
    const marks: string[] = [];
    for (const [id, type] of types.entries()) {
      const text = tokens[id] ?? '';
      if (text.length < 2) continue;
      if (type === CONTROL || type === UNKNOWN) control.push(text);
      // Some vocabularies hold runs of spaces or code words as user-defined: they carry no meaning.
      else if (type === USER_DEFINED && /^[<[].+[>\]]$/.test(text)) marks.push(text);
    }
    return { control, marks };
  }
}

export interface Specials {
  /** Borders of turns, ends of text: never from a user. */
  readonly control: readonly string[];
  /** Marks for thoughts, calls and the like: fine in what the model itself has said. */
  readonly marks: readonly string[];
}

const encoder = new TextEncoder();

function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

function byteLevel(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of text) {
    const byte = BYTE_OF_CHAR.get(char);
    // A character outside the table stands for itself (added tokens of some conversions).
    if (byte === undefined) bytes.push(...utf8(char));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** GPT-2 writes every byte as a printable character: these are the bytes behind them. */
const BYTE_OF_CHAR: ReadonlyMap<string, number> = (() => {
  const table = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table.set(String.fromCodePoint(isPrintable ? byte : next++), byte);
  }
  return table;
})();
