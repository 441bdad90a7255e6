/**
 * The CPU threads of the machine, divided over the workers that there are: more threads than cores would let the
 * models' steps wait for each other's. Workers that name their own number get it; the others share what is left in
 * equal parts, one at least, and are told when a worker that comes or goes changes their part.
 *
 * Units   threads.
 * Errors  none. `onShare` must not throw.
 */
export interface ThreadHolder {
  readonly threads: 'auto' | number;
  /** Its part is another one now; not called by `join` for the one that joins. */
  readonly onShare: (threads: number) => void;
}

export class ThreadBudget {
  readonly #cores: number;
  readonly #holders = new Map<string, ThreadHolder>();
  #shares: ReadonlyMap<string, number> = new Map();

  constructor(cores: number) {
    this.#cores = cores;
  }

  join(id: string, holder: ThreadHolder): void {
    this.#holders.set(id, holder);
    this.#share(id);
  }

  /** Idempotent. */
  leave(id: string): void {
    if (this.#holders.delete(id)) this.#share(undefined);
  }

  /** Of one that has joined. */
  of(id: string): number {
    return this.#shares.get(id)!;
  }

  #share(newcomer: string | undefined): void {
    const before = this.#shares;
    this.#shares = divide(this.#cores, this.#holders);
    for (const [id, threads] of this.#shares) {
      if (id !== newcomer && threads !== before.get(id)) this.#holders.get(id)?.onShare(threads);
    }
  }
}

/** What does not divide evenly goes to those that came first. */
function divide(
  cores: number,
  holders: ReadonlyMap<string, Pick<ThreadHolder, 'threads'>>,
): ReadonlyMap<string, number> {
  const all = [...holders].map(([id, { threads }]) => ({ id, threads }));
  const sharing = all.filter(({ threads }) => threads === 'auto').length;
  const fixed = all.reduce((sum, { threads }) => sum + (threads === 'auto' ? 0 : threads), 0);
  const left = Math.max(0, cores - fixed);
  let extra = sharing === 0 ? 0 : left % sharing;
  return new Map(
    all.map(({ id, threads }) => {
      if (threads !== 'auto') return [id, threads];
      const part = Math.floor(left / sharing) + (extra > 0 ? 1 : 0);
      extra -= 1;
      return [id, Math.max(1, part)];
    }),
  );
}
