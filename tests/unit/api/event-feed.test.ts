/** The feed against every way in which tickets can end, fail, hang and race. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { EventFeed, type FeedEvent } from '../../../src/api/event-feed.ts';
import type { GenerationEvent, Ticket } from '../../../src/core/engine.ts';

const DONE: GenerationEvent = {
  type: 'done',
  usage: { promptTokens: 1, cachedTokens: 0, generatedTokens: 1 },
  timings: { queueMs: 0, decodeMs: 0 },
};
const delta = (text: string): GenerationEvent => ({ type: 'delta', choice: 0, text, ids: [] });

function ticket(events: () => AsyncGenerator<GenerationEvent>): Promise<Ticket> {
  return Promise.resolve({ id: 't', priority: 'normal', events: events() });
}

async function* say(texts: readonly string[]): AsyncGenerator<GenerationEvent> {
  for (const text of texts) yield delta(text);
  yield DONE;
}

async function drain(feed: EventFeed): Promise<FeedEvent[]> {
  const events: FeedEvent[] = [];
  for (;;) {
    const next = await feed.take();
    if (next === undefined) return events;
    events.push(next);
  }
}

const open = () => new AbortController();

describe('EventFeed', () => {
  test('gives every event of every ticket once and in order, then undefined for ever', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.string(), { maxLength: 5 }), { maxLength: 5 }),
        async (all) => {
          const feed = new EventFeed(
            all.map((texts) => ticket(() => say(texts))),
            open().signal,
          );
          const events = await drain(feed);
          expect(await feed.take()).toBeUndefined();
          for (const [index, texts] of all.entries()) {
            const own = events.filter((each) => each.index === index).map(({ event }) => event);
            expect(own).toEqual([...texts.map(delta), DONE]);
          }
        },
      ),
    );
  });

  test('holds at most one event that was not asked for', async () => {
    let made = 0;
    async function* count(): AsyncGenerator<GenerationEvent> {
      for (;;) {
        made += 1;
        yield delta('x');
      }
    }
    const feed = new EventFeed([ticket(count)], open().signal);
    for (let taken = 1; taken <= 5; taken += 1) {
      await feed.take();
      await new Promise((resolve) => setImmediate(resolve));
      expect(made).toBeLessThanOrEqual(taken + 1);
    }
  });

  test('a ticket that is refused fails the feed and ends the others', async () => {
    let hasLeft = false;
    async function* forever(): AsyncGenerator<GenerationEvent> {
      try {
        for (;;) yield delta('x');
      } finally {
        hasLeft = true;
      }
    }
    const refused = Promise.reject(new Error('refused'));
    const feed = new EventFeed([ticket(forever), refused], open().signal);
    await expect(drain(feed)).rejects.toThrow('refused');
    await expect(feed.take()).rejects.toThrow('refused');
    expect(hasLeft).toBe(true);
  });

  test('an end without `done` is a bug of the engine', async () => {
    async function* short(): AsyncGenerator<GenerationEvent> {
      yield delta('x');
    }
    const feed = new EventFeed([ticket(short)], open().signal);
    await expect(drain(feed)).rejects.toThrow('without `done`');
  });

  test.each(['before', 'amid', 'never submitted'])(
    'an abort wins over a deaf engine: %s',
    async (when) => {
      async function* deaf(): AsyncGenerator<GenerationEvent> {
        yield delta('x');
        await new Promise(() => {});
      }
      const controller = open();
      if (when === 'before') controller.abort(new Error('gone'));
      const never = when === 'never submitted' ? new Promise<Ticket>(() => {}) : ticket(deaf);
      const feed = new EventFeed([never], controller.signal);
      const drained = drain(feed);
      drained.catch(() => {});
      await new Promise((resolve) => setImmediate(resolve));
      if (when !== 'before') controller.abort(new Error('gone'));
      await expect(drained).rejects.toThrow('gone');
    },
  );

  test('an abort after the end changes nothing', async () => {
    const controller = open();
    const feed = new EventFeed([ticket(() => say(['x']))], controller.signal);
    expect(await drain(feed)).toHaveLength(2);
    controller.abort(new Error('late'));
    expect(await feed.take()).toBeUndefined();
  });
});
