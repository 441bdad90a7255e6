/**
 * Where log lines go out. They are written without waiting: whoever reads stderr may stop reading,
 * and that must stop neither the server nor its end. Up to BUFFER_BYTES wait; what comes then is
 * dropped, and counted in a line of its own as soon as there is room.
 *
 * Lines of one turn of the event loop go out in one write.
 */

/** A stream of Node, as far as it is used here. */
export interface Output {
  readonly writableLength: number;
  write(text: string, done?: () => void): boolean;
}

const BUFFER_BYTES = 4 * 1024 * 1024;

export class LogStream {
  readonly #output: Output;
  readonly #format: (line: string) => string;
  #waiting: string[] = [];
  #dropped = 0;

  /** `format` makes of a record what is to be read. */
  constructor(output: Output, format: (line: string) => string = (line) => line) {
    this.#output = output;
    this.#format = format;
  }

  /** Takes one JSON record with its line break. */
  write(line: string): void {
    if (this.#output.writableLength > BUFFER_BYTES) {
      this.#dropped += 1;
      return;
    }
    if (this.#waiting.length === 0) setImmediate(() => this.flush());
    if (this.#dropped > 0) this.#waiting.push(this.#format(droppedLine(this.#dropped)));
    this.#dropped = 0;
    this.#waiting.push(this.#format(line));
  }

  /** Hands on what waits for the end of this turn. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#output.write(text);
  }

  /** Resolves when everything has been taken, or after `limitMs` if nobody takes it. */
  async close(limitMs: number): Promise<void> {
    this.flush();
    const taken = new Promise<void>((resolve) => this.#output.write('', resolve));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([taken, late]);
    clearTimeout(timer);
  }
}

function droppedLine(count: number): string {
  const record = {
    level: 'warning',
    time: new Date().toISOString(),
    lines: count,
    msg: 'log lines were dropped: nobody reads stderr',
  };
  return `${JSON.stringify(record)}\n`;
}
