/**
 * Progress on stderr: a bar that is drawn over itself on a terminal, elsewhere a line when
 * something begins. A bar ends with `clear`, so that what is printed next begins a line.
 */
const BAR_WIDTH = 24;

export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export class Progress {
  readonly #output: ProgressOutput;
  #shown = '';
  #lastLabel = '';

  constructor(output: ProgressOutput) {
    this.#output = output;
  }

  /** `fraction` from 0 to 1. */
  show(label: string, fraction: number): void {
    const isNew = label !== this.#lastLabel;
    this.#lastLabel = label;
    if (!this.#output.isTTY) {
      if (isNew) this.#output.write(`hearth: ${label}…\n`);
      return;
    }
    const line = `${label} ${bar(fraction)}`;
    if (line === this.#shown) return;
    this.#shown = line;
    this.#output.write(`\r\u001b[K${line}`);
  }

  clear(): void {
    if (this.#shown !== '') this.#output.write('\r\u001b[K');
    this.#shown = '';
  }
}

function bar(fraction: number): string {
  const part = Math.min(1, Math.max(0, fraction));
  const full = Math.round(part * BAR_WIDTH);
  const percent = `${Math.floor(part * 100)} %`.padStart(5);
  return `[${'█'.repeat(full)}${'·'.repeat(BAR_WIDTH - full)}]${percent}`;
}
