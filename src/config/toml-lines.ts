/**
 * On which line of a TOML text each key stands, for error messages and `config show`. The parser
 * gives values only.
 *
 * Shapes  keys are paths joined by a dot, `models.small.path`; a table's own path is the line of
 *         its header, `keys.0` that of the first `[[keys]]`. Lines count from 1. Elements of arrays in
 *         values share the array's path.
 * Errors  none: the text has been parsed before, and where this scanner is wrong a message merely
 *         lacks its line.
 * Source  TOML 1.0, "Keys", "String", "Table", "Inline Table".
 */

export function locateKeys(text: string): ReadonlyMap<string, number> {
  return new Scanner(text).run();
}

class Scanner {
  readonly #text: string;
  readonly #lines = new Map<string, number>();
  /** Tables of an array of tables, so far. */
  readonly #elements = new Map<string, number>();
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  run(): ReadonlyMap<string, number> {
    let table: readonly string[] = [];
    for (;;) {
      this.#skipBlank();
      const char = this.#peek();
      if (char === '') return this.#lines;
      if (char === '[') {
        const isElement = this.#take(/\[+[ \t]*/y)!.startsWith('[[');
        const name = this.#key();
        table = isElement ? [...name, this.#nextIndex(name)] : name;
        this.#note(table);
        this.#take(/[ \t]*\]*/y);
      } else {
        this.#statement(table);
      }
    }
  }

  #nextIndex(name: readonly string[]): string {
    const path = name.join('.');
    const index = this.#elements.get(path) ?? 0;
    this.#elements.set(path, index + 1);
    return String(index);
  }

  #statement(table: readonly string[]): void {
    const start = this.#at;
    const path = [...table, ...this.#key()];
    this.#note(path);
    this.#take(/[ \t]*=?[ \t]*/y);
    this.#value(path);
    // Never stand still: a text that is no TOML must end the scan, not hang it.
    if (this.#at === start) this.#at++;
  }

  #value(path: readonly string[]): void {
    const char = this.#peek();
    if (char === '"' || char === "'") this.#string(char);
    else if (char === '[') this.#array(path);
    else if (char === '{') this.#inlineTable(path);
    else this.#take(/[^\s,\]}#]+([ \t]+\d[^\s,\]}#]*)?/y);
  }

  #array(path: readonly string[]): void {
    this.#at++;
    for (;;) {
      this.#skipBlank();
      if (this.#take(/,/y)) continue;
      if (this.#take(/\]/y) || this.#peek() === '') return;
      const start = this.#at;
      this.#value(path);
      if (this.#at === start) this.#at++;
    }
  }

  #inlineTable(path: readonly string[]): void {
    this.#at++;
    for (;;) {
      this.#skipBlank();
      if (this.#take(/,/y)) continue;
      if (this.#take(/\}/y) || this.#peek() === '') return;
      this.#statement(path);
    }
  }

  /** A dotted key; each part bare, "quoted" or 'quoted'. */
  #key(): readonly string[] {
    const parts: string[] = [];
    do {
      this.#take(/[ \t]*/y);
      const quoted = this.#take(/"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'/y);
      const part = quoted ? unquote(quoted) : this.#take(/[A-Za-z0-9_-]+/y);
      if (part === undefined) return parts;
      parts.push(part);
    } while (this.#take(/[ \t]*\./y));
    return parts;
  }

  #string(quote: '"' | "'"): void {
    const triple = quote.repeat(3);
    if (this.#text.startsWith(triple, this.#at)) {
      this.#take(quote === '"' ? /"""(?:[^\\]|\\[\s\S])*?"""("{0,2})/y : /'''[\s\S]*?''''{0,2}/y);
    } else {
      this.#take(quote === '"' ? /"(?:[^"\\\n]|\\.)*"/y : /'[^'\n]*'/y);
    }
  }

  #note(path: readonly string[]): void {
    // A table that is only named on the way to an inner one stands where it is first named.
    for (let length = 1; length <= path.length; length++) {
      const name = path.slice(0, length).join('.');
      if (!this.#lines.has(name)) this.#lines.set(name, this.#line);
    }
  }

  #skipBlank(): void {
    this.#take(/(?:\s+|#[^\n]*)*/y);
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (!found) return undefined;
    this.#at += found.length;
    for (const char of found) if (char === '\n') this.#line++;
    return found;
  }
}

function unquote(quoted: string): string {
  if (quoted.startsWith("'")) return quoted.slice(1, -1);
  // TOML's basic strings escape as JSON does, but for \U and \e, which no key of ours has.
  try {
    return String(JSON.parse(quoted));
  } catch {
    // The key stays as it was written: its line may then not be found, which costs only the line.
    return quoted.slice(1, -1);
  }
}
