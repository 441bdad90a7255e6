/**
 * How many children may be starting at once: a machine that starts hundreds at the same time makes all of
 * them late. The next one starts as soon as one has said hello or has ended, and at the latest
 * `waitMs` after the last one, so that one that hangs holds up nobody.
 *
 * Units   ms.
 * Errors  none.
 * Source  rows SP-193 … SP-209: batches of 8, 750 ms apart, as upper bounds.
 */
export class StartGate {
  readonly #max: number;
  readonly #waitMs: number;
  readonly #waiting: (() => void)[] = [];
  #starting = 0;

  constructor({ max, waitMs }: { readonly max: number; readonly waitMs: number }) {
    this.#max = max;
    this.#waitMs = waitMs;
  }

  /** Resolves when the child may be started; what it resolves with is to be called when it has begun. */
  async enter(): Promise<() => void> {
    if (this.#starting >= this.#max) await this.#turn();
    this.#starting += 1;
    let isOver = false;
    const leave = () => {
      if (isOver) return;
      isOver = true;
      this.#starting -= 1;
      this.#waiting.shift()?.();
    };
    const timer = setTimeout(leave, this.#waitMs);
    timer.unref();
    return () => {
      clearTimeout(timer);
      leave();
    };
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
