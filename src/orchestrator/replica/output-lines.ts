/**
 * What a child writes to stdout or stderr, as lines for the log, and its end for the report of its
 * death.
 *
 * A child may write anything: halves of characters, NUL, terminal colours, megabytes without a
 * line break. So bytes are decoded across chunks, control characters are taken out, and a line is
 * cut at LINE_MAX.
 *
 * Units   lengths in UTF-16 code units, which for logs is near enough to bytes.
 */
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

const LINE_MAX = 2_048;
const TAIL_MAX = 4_096;

export class OutputLines {
  readonly #decoder = new StringDecoder('utf8');
  #unfinished = '';
  #tail = '';

  /** The last 4 KiB. */
  get tail(): string {
    return this.#tail;
  }

  /** The lines that these bytes complete. */
  push(bytes: Buffer): string[] {
    const text = this.#decoder.write(bytes);
    this.#tail = (this.#tail + text).slice(-TAIL_MAX);
    const pieces = (this.#unfinished + text).split('\n');
    this.#unfinished = pieces.pop() ?? '';
    if (this.#unfinished.length > LINE_MAX) {
      pieces.push(this.#unfinished);
      this.#unfinished = '';
    }
    return pieces.map(clean).filter((line) => line !== '');
  }

  /** What is left when the stream has ended. */
  end(): string[] {
    const line = clean(this.#unfinished + this.#decoder.end());
    this.#unfinished = '';
    return line === '' ? [] : [line];
  }
}

/** The last line of a tail that says something: usually the reason of an abort. */
export function lastLine(tail: string): string | undefined {
  return tail
    .split('\n')
    .map(clean)
    .findLast((line) => line !== '');
}

function clean(line: string): string {
  return (
    stripVTControlCharacters(line)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the point
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
      .trim()
      .slice(0, LINE_MAX)
  );
}
