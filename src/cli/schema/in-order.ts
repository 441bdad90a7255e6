/**
 * Work on what comes, several at once, with the answers in the order of the questions. What is ready is given out
 * at once, also while the source is silent; the source is asked for more only while there is room, so neither a
 * long source nor a reader that stops makes it grow.
 *
 * Units   `weightOf` and `maxWeight` as the caller likes, such as bytes; one item is taken whatever it weighs.
 * Errors  those of the source and of `work` are thrown; the source is closed in any case.
 */
export interface Room<T> {
  readonly maxItems: number;
  readonly maxWeight: number;
  readonly weightOf: (item: T) => number;
}

export async function* inOrder<T, R>(
  source: AsyncIterable<T>,
  work: (item: T) => Promise<R>,
  { maxItems, maxWeight, weightOf }: Room<T>,
): AsyncGenerator<R, void, undefined> {
  const items = source[Symbol.asyncIterator]();
  const running: { readonly done: Promise<R>; readonly weight: number }[] = [];
  let weight = 0;
  let next: Promise<IteratorResult<T>> | undefined;
  let isOver = false;
  try {
    for (;;) {
      const hasRoom = running.length < maxItems && (weight < maxWeight || running.length === 0);
      if (!isOver && hasRoom) next ??= items.next();
      const head = running[0];
      const asked = next;
      if (head === undefined && asked === undefined) return;
      const event = await Promise.race([
        ...(head === undefined ? [] : [head.done.then((result) => ({ result }))]),
        ...(asked === undefined ? [] : [asked.then((read) => ({ read }))]),
      ]);
      if ('result' in event) {
        running.shift();
        weight -= head!.weight;
        yield event.result;
        continue;
      }
      next = undefined;
      if (event.read.done) isOver = true;
      else {
        const item = event.read.value;
        const done = work(item);
        // Thrown where it is waited for, which may be later.
        done.catch(() => {});
        running.push({ done, weight: weightOf(item) });
        weight += weightOf(item);
      }
    }
  } finally {
    await items.return?.();
  }
}
