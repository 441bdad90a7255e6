import { expect, test } from 'vitest';

import { inOrder } from '../../../../src/cli/schema/in-order.ts';

/** Work that ends when it is told to. */
class Works {
  readonly started: number[] = [];
  readonly #ends = new Map<number, PromiseWithResolvers<string>>();

  readonly work = (item: number): Promise<string> => {
    this.started.push(item);
    return this.#of(item).promise;
  };

  end(...items: readonly number[]): void {
    for (const item of items) this.#of(item).resolve(`done ${item}`);
  }

  fail(item: number): void {
    this.#of(item).reject(new Error(`no ${item}`));
  }

  #of(item: number): PromiseWithResolvers<string> {
    const found = this.#ends.get(item) ?? Promise.withResolvers<string>();
    this.#ends.set(item, found);
    return found;
  }
}

const room = (maxItems: number, maxWeight = 1_000) => ({
  maxItems,
  maxWeight,
  weightOf: (item: number) => item,
});

async function gather<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function* numbers(count: number, asked: number[] = []): AsyncGenerator<number> {
  for (let i = 1; i <= count; i++) {
    asked.push(i);
    yield i;
  }
}

test('answers come in the order of the questions, whichever is done first', async () => {
  const works = new Works();
  works.end(3, 2, 1);
  const found = await gather(inOrder(numbers(3), works.work, room(3)));
  expect(found).toEqual(['done 1', 'done 2', 'done 3']);
});

test('the source is asked for no more than there is room for, by number and by weight', async () => {
  for (const limits of [room(3), room(100, 4)]) {
    const works = new Works();
    const asked: number[] = [];
    const answers = inOrder(numbers(50, asked), works.work, limits);
    const first = answers.next();
    await turn();
    expect(works.started).toEqual([1, 2, 3]);
    expect(asked).toEqual([1, 2, 3]);
    works.end(1);
    expect(await first).toEqual({ done: false, value: 'done 1' });
    // A reader that stops here has it stop, too.
    await turn();
    expect(asked).toEqual([1, 2, 3]);
    await answers.return();
  }
});

test('one that weighs more than there is room for is taken alone', async () => {
  const works = new Works();
  works.end(1, 2);
  const found = await gather(
    inOrder(numbers(2), works.work, { maxItems: 9, maxWeight: 1, weightOf: () => 5 }),
  );
  expect(found).toHaveLength(2);
});

test('what is ready is given out while the source is silent', async () => {
  const works = new Works();
  const silent = Promise.withResolvers<void>();
  async function* one(): AsyncGenerator<number> {
    yield 1;
    await silent.promise;
  }
  works.end(1);
  const answers = inOrder(one(), works.work, room(4));
  expect(await answers.next()).toEqual({ done: false, value: 'done 1' });
  silent.resolve();
  expect((await answers.next()).done).toBe(true);
});

test('an error comes in its turn, and closes the source', async () => {
  const works = new Works();
  works.end(1);
  works.fail(2);
  let isClosed = false;
  async function* closable(): AsyncGenerator<number> {
    try {
      yield* numbers(50);
    } finally {
      isClosed = true;
    }
  }
  const answers = inOrder(closable(), works.work, room(3));
  expect(await answers.next()).toMatchObject({ value: 'done 1' });
  await expect(answers.next()).rejects.toThrow('no 2');
  expect(isClosed).toBe(true);
});
