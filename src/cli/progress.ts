/**
 * Progress on stderr: a bar that is drawn over itself on a terminal, elsewhere a line when
 * something begins, and every few seconds where there is more to say than that. A bar ends with `clear`,
 * so that what is printed next begins a line.
 */
import { type Clock, systemClock } from '../core/clock.ts';

const BAR_WIDTH = 24;
/** Between two lines of the same, where there is no terminal. */
const LINE_INTERVAL_MS = 5_000;

export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export class Progress {
  readonly #output: ProgressOutput;
  readonly #clock: Clock;
  #shown = '';
  #lastLabel = '';
  #lastLineMs = Number.NEGATIVE_INFINITY;

  constructor(output: ProgressOutput, clock: Clock = systemClock) {
    this.#output = output;
    this.#clock = clock;
  }

  /** `fraction` from 0 to 1. `detail` stands behind the bar, such as a rate. */
  show(label: string, fraction: number, detail = ''): void {
    const isNew = label !== this.#lastLabel;
    this.#lastLabel = label;
    if (!this.#output.isTTY) {
      if (detail !== '') this.#showLine(label, fraction, detail);
      else if (isNew) this.#output.write(`hearth: ${label}…\n`);
      return;
    }
    const line = `${label} ${bar(fraction)}${detail === '' ? '' : ` ${detail}`}`;
    if (line === this.#shown) return;
    this.#shown = line;
    this.#output.write(`\r\u001b[K${line}`);
  }

  #showLine(label: string, fraction: number, detail: string): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#lastLineMs < LINE_INTERVAL_MS) return;
    this.#lastLineMs = nowMs;
    this.#output.write(`hearth: ${label} ${percentOf(fraction)}, ${detail}\n`);
  }

  clear(): void {
    if (this.#shown !== '') this.#output.write('\r\u001b[K');
    this.#shown = '';
  }
}

function bar(fraction: number): string {
  const full = Math.round(inBounds(fraction) * BAR_WIDTH);
  return `[${'█'.repeat(full)}${'·'.repeat(BAR_WIDTH - full)}]${percentOf(fraction).padStart(5)}`;
}

function percentOf(fraction: number): string {
  return `${Math.floor(inBounds(fraction) * 100)} %`;
}

function inBounds(fraction: number): number {
  return Math.min(1, Math.max(0, fraction));
}
