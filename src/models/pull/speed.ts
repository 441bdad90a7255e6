/**
 * How fast bytes come: over the last seconds, so that it follows the network and does not jump.
 *
 * Units   bytes, ms.
 */
const WINDOW_MS = 5_000;
/** Before that a rate says nothing. */
const SETTLED_MS = 300;

export class Speed {
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** `bytes` in all; less than before means that it starts over. */
  note(atMs: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && bytes < last.bytes) this.#samples.length = 0;
    this.#samples.push({ atMs, bytes });
    while (this.#samples.length > 2 && this.#samples[1]!.atMs <= atMs - WINDOW_MS) {
      this.#samples.shift();
    }
  }

  /** 0 while nothing is known. */
  get bytesPerSecond(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return 0;
    const ms = last.atMs - first.atMs;
    return ms < SETTLED_MS ? 0 : ((last.bytes - first.bytes) / ms) * 1000;
  }
}
