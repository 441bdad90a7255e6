/**
 * Why a worker that ended by itself did so, where its last words say it. Pure.
 *
 * Only for a process that gave up: one that was killed from outside may have recovered from what it said
 * before. So the system's own killer of processes, which sends SIGKILL, is not named here.
 *
 * Source  the words of V8 ("JavaScript heap out of memory"), CUDA ("out of memory"), the C++ library
 *         ("std::bad_alloc"), ggml ("failed to allocate buffer") and strerror(ENOMEM).
 */
const OUT_OF_MEMORY = /out of memory|std::bad_alloc|failed to allocate|cannot allocate memory/i;
const FROM_OUTSIDE: readonly (NodeJS.Signals | null)[] = ['SIGKILL', 'SIGTERM'];

/** In words, or undefined when nothing is known. `tail` is the end of what it wrote. */
export function causeOfDeath(signal: NodeJS.Signals | null, tail: string): string | undefined {
  if (FROM_OUTSIDE.includes(signal)) return undefined;
  return OUT_OF_MEMORY.test(tail) ? 'out of memory' : undefined;
}
