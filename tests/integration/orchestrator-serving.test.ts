import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { spawnWorker } from '../../src/orchestrator/replica/worker-process.ts';
import { GREEDY } from '../support/greedy.ts';
import { HEARTBEAT } from '../support/heartbeat.ts';
import { Orchestra, type Setup } from '../support/orchestra.ts';

let orchestra: Orchestra | undefined;

function start(setup?: Setup): Promise<Orchestra> {
  orchestra = new Orchestra(setup);
  return orchestra.ready();
}

afterEach(async () => {
  const left = await orchestra?.end();
  orchestra = undefined;
  expect(left ?? []).toEqual([]);
});

describe('Orchestrator', () => {
  test('streams an answer: started, deltas, finished, done, in this order and complete', async () => {
    const { ask } = bind(await start());
    const { text, events, error } = await ask('one two three');
    expect(error).toBeUndefined();
    expect(text).toBe('one two three');
    const types = events.map(({ type }) => type);
    expect(types[0]).toBe('started');
    expect(types.slice(-2)).toEqual(['finished', 'done']);
    expect(new Set(types.slice(1, -2))).toEqual(new Set(['delta']));
    const done = events.at(-1);
    if (done?.type !== 'done') throw new Error('no done');
    const ids = events.flatMap((event) => (event.type === 'delta' ? event.ids : []));
    expect(done.usage.generatedTokens).toBe(ids.length);
    expect(done.timings.prefillMs).toBeGreaterThan(0);
  });

  // MX-036, MX-037
  test('each model has a process of its own, with a readable name and a run id', async () => {
    const band = await start({ models: { a: {}, b: { reply: { kind: 'text', text: 'I am b' } } } });
    const [a, b] = await Promise.all([band.ask('x'), band.ask('x', { model: 'b' })]);
    expect([a.text, b.text]).toEqual(['x', 'I am b']);
    expect(new Set(band.pids).size).toBe(2);
    const lines = band.lines.filter(({ message }) => message === 'worker started');
    expect(lines.map(({ fields }) => fields.worker)).toEqual([
      'hearth-worker-a-1',
      'hearth-worker-b-1',
    ]);
    if (process.platform === 'linux') {
      const [argv0, ...args] = readFileSync(`/proc/${band.pids[0]}/cmdline`, 'utf8').split('\0');
      expect(argv0).toBe('hearth-worker-a-1');
      expect(args).toContain('worker');
      expect(args.some((arg) => arg.startsWith('--run-id='))).toBe(true);
      const environment = readFileSync(`/proc/${band.pids[0]}/environ`, 'utf8').split('\0');
      expect(
        environment
          .map((entry) => entry.split('=')[0])
          .filter(Boolean)
          .sort(),
      ).toEqual(['HEARTH_HEARTBEAT_CONFIG', 'PATH', 'UV_THREADPOOL_SIZE']);
    }
    expect(band.orchestrator.models().map(({ name, state }) => [name, state])).toEqual([
      ['a', 'ready'],
      ['b', 'ready'],
    ]);
  });

  test('an unknown model is refused by name', async () => {
    const band = await start();
    const { error } = await band.ask('x', { model: 'nope' });
    expect(error?.code).toBe('model_not_found');
    expect(error?.message).toContain('"nope" is not configured. Configured: a.');
  });

  test('requests wait for a model that loads, and are told so', async () => {
    orchestra = new Orchestra({ models: { a: { loadMs: 300 } } });
    await orchestra.orchestrator.start();
    const { events, text } = await orchestra.ask('patience');
    expect(events[0]).toEqual({ type: 'waiting', why: 'loading', position: 0 });
    expect(text).toBe('patience');
  });

  test('positions are told while others go first', async () => {
    const band = await start({ slots: 1 });
    const first = band.ask('[[slow:20]][[tokens:15]]x');
    await band.until(() => band.count('firstToken') === 1);
    const second = band.ask('[[slow:20]][[tokens:15]]x');
    const third = await band.ask('y');
    const positions = third.events.flatMap((event) =>
      event.type === 'waiting' ? [`${event.why} ${event.position}`] : [],
    );
    expect(positions).toEqual(['queue 1', 'queue 0']);
    // By what the first one took: nothing was known before it.
    const etas = third.events.flatMap((event) => (event.type === 'waiting' ? [event.etaMs] : []));
    expect(etas).toEqual([undefined, expect.any(Number)]);
    expect(etas[1]).toBeGreaterThan(100);
    await Promise.all([first, second]);
  });

  test('the prompt that does not fit fails with both numbers, and only it', async () => {
    const band = await start();
    const long = 'word '.repeat(10_000);
    const [bad, good] = await Promise.all([band.ask(long), band.ask('short')]);
    expect(bad.error?.code).toBe('context_length_exceeded');
    expect(good.text).toBe('short');
  });

  test('a prompt above 64 MiB fails, and its slot is free', async () => {
    const band = await start({ slots: 1 });
    const { error } = await band.ask('x'.repeat(64 * 1024 * 1024));
    expect(error?.code).toBe('payload_too_large');
    expect((await band.ask('still here')).text).toBe('still here');
  });

  test('queue_full says when to come back, and the others are served', async () => {
    const band = await start({ slots: 1, limits: { queueDepthMax: 3 } });
    const served = [1, 2, 3].map(() => band.ask('[[slow:5]][[tokens:20]]x'));
    const refused = await band.ask('one too many');
    expect(refused.error?.toJSON()).toMatchObject({ code: 'queue_full', retryAfterMs: 1_000 });
    for (const { error } of await Promise.all(served)) expect(error).toBeUndefined();
    expect(band.count('rejected')).toBe(1);
  });

  test('above the rate limit: 429 with the time, and the tokens are settled', async () => {
    const band = await start({
      slots: 1,
      rateLimits: {
        each: { requestsPerMinute: 3, burst: 3, tokensPerMinute: 100 },
        all: {},
        burstWindowMs: 1_000,
      },
    });
    const { orchestrator } = band;
    const tooMuch = await band.ask('x', { maxTokens: 200 });
    expect([tooMuch.error?.code, tooMuch.error?.retryable]).toEqual(['rate_limited', false]);
    expect((await band.ask('hello', { maxTokens: 50 })).text).toBe('hello');
    const { requests, tokens } = orchestrator.rate('t')!;
    expect([requests?.remaining, tokens?.limit]).toEqual([2, 100]);
    expect(tokens!.remaining).toBeGreaterThan(80);
    await band.ask('hello', { maxTokens: 5 });
    await band.ask('hello', { maxTokens: 5 });
    const { error } = await band.ask('hello', { maxTokens: 5 });
    expect(error?.code).toBe('rate_limited');
    const { retryAfterMs } = error!.toJSON() as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    // Those that were refused have cost nothing.
    expect(orchestrator.rate('t')!.requests?.remaining).toBe(0);
    expect(band.count('rejected')).toBe(2);
  });

  test('a queue that is full of low does not turn high away, and the log warns before it is full', async () => {
    const limits = { queueDepthMax: 4, queueDepthHighSpare: 1 };
    const band = await start({ slots: 1, limits });
    const asks = [band.ask('[[slow:10]][[tokens:30]]x', { priority: 'low' })];
    await band.until(() => band.count('firstToken') === 1);
    for (let i = 0; i < 3; i++) asks.push(band.ask('x', { priority: 'low' }));
    await band.until(() => band.count('queued') === 4);
    const low = await band.ask('x', { priority: 'low' });
    expect(low.error?.code).toBe('queue_full');
    asks.push(band.ask('now', { priority: 'high' }));
    await band.until(() => band.count('queued') === 5);
    const high = await band.ask('x', { priority: 'high' });
    expect(high.error?.code).toBe('queue_full');
    expect((await Promise.all(asks)).map(({ error }) => error)).toEqual(asks.map(() => undefined));
    expect(band.lines.filter(({ message }) => message === 'the queue is filling')).toHaveLength(1);
  });

  /** Red while only the first of a list was refused, and the others were begun. */
  test('a list of prompts over the limit is refused as one, and nothing of it is begun', async () => {
    const band = await start({
      rateLimits: { each: { tokensPerMinute: 100 }, all: {}, burstWindowMs: 1_000 },
    });
    const requests = Array.from({ length: 5 }, (_, index) => ({
      model: 'a',
      prompt: { text: `${index}` },
      sampling: GREEDY,
      stops: [],
      maxTokens: 30,
    }));
    const { signal } = new AbortController();
    const tickets = await Promise.allSettled(
      requests.map((request, index) =>
        band.orchestrator.submit(request, {
          requestId: `r-${index}`,
          tenant: 't',
          priority: 'normal',
          signal,
          lot: { index, requests },
        }),
      ),
    );
    expect(tickets.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(
      Array(5).fill('rate_limited'),
    );
    expect([band.count('queued'), band.count('rejected')]).toEqual([0, 1]);
  });

  test('a request waits no longer than its class allows', async () => {
    const queueTimeoutMs = { high: 30_000, normal: 30_000, low: 50 };
    const band = await start({ slots: 1, limits: { queueTimeoutMs } });
    const first = band.ask('[[slow:10]][[tokens:30]]x');
    const late = await band.ask('x', { priority: 'low' });
    expect(late.error?.code).toBe('queue_timeout');
    expect(late.error?.message).toContain('queue_timeout_low_s');
    expect((await first).error).toBeUndefined();
    expect(band.count('queueTimeout')).toBe(1);
  });

  test('other limits hold for what waits, though nothing else happens, and not for what runs', async () => {
    const band = await start({ slots: 1 });
    const controller = new AbortController();
    const running = band.ask('[[hang-after:1]][[tokens:9]]x', { signal: controller.signal });
    await band.until(() => band.count('firstToken') === 1);
    const waiting = band.ask('x');
    await band.until(() => band.count('queued') === 2);
    band.orchestrator.setLimits({
      limits: {
        queueDepthMax: 1,
        queueDepthHighSpare: 0,
        queueTimeoutMs: { high: 1, normal: 1, low: 1 },
        weights: { high: 1, normal: 1, low: 1 },
        agedAfterMs: { high: 1, normal: 1, low: 1 },
      },
      queueDepthWarn: 1,
      rateLimits: { each: {}, all: { requestsPerMinute: 1 }, burstWindowMs: 1_000 },
    });
    expect((await waiting).error?.code).toBe('queue_timeout');
    expect(band.orchestrator.queue()).toMatchObject({ depth: 1, depthMax: 1 });
    expect((await band.ask('x')).error?.code).toBe('queue_full');
    expect(band.orchestrator.rate('t')?.requests).toMatchObject({ limit: 1 });
    controller.abort();
    expect((await running).error?.code).toBe('client_closed_request');
  });

  test('the queue says who waits, for how long, and what came first', async () => {
    const band = await start({ slots: 1, limits: { queueDepthMax: 9 } });
    const asks = [band.ask('[[slow:10]][[tokens:30]]x')];
    await band.until(() => band.count('firstToken') === 1);
    for (const priority of ['low', 'high', 'low'] as const) asks.push(band.ask('x', { priority }));
    await band.until(() => band.count('queued') === 4);
    const { depth, depthMax, models } = band.orchestrator.queue();
    expect([depth, depthMax]).toEqual([4, 9]);
    expect(models).toMatchObject([
      { name: 'a', busy: 1, free: 0, waiting: { high: 1, normal: 0, low: 2 } },
    ]);
    expect(models[0]!.first.map(({ priority }) => priority)).toEqual(['high', 'low', 'low']);
    for (const { waitedMs } of models[0]!.first) expect(waitedMs).toBeGreaterThanOrEqual(0);
    await Promise.all(asks);
    expect(band.orchestrator.queue().models[0]).toMatchObject({ busy: 0, free: 1, first: [] });
  });

  test('a high request has a slot of its own while low ones fill the others', async () => {
    const band = await start({ slots: 1, highSpare: 1 });
    const long = band.ask('[[slow:10]][[tokens:60]]x', { priority: 'low' });
    await band.until(() => band.count('firstToken') === 1);
    const next = band.ask('next', { priority: 'low' });
    const order: string[] = [];
    await Promise.all([
      long.then(() => order.push('long')),
      next.then(() => order.push('next')),
      band.ask('now', { priority: 'high' }).then(() => order.push('high')),
    ]);
    expect(order).toEqual(['high', 'long', 'next']);
    expect(band.count('preempted')).toBe(0);
  });

  test('a low request without a token makes room for a high one, and is answered after it', async () => {
    const band = await start({ slots: 1 });
    const low = band.ask('[[prefill:400]]patience', { priority: 'low' });
    await band.until(() => band.count('dequeued') === 1);
    const high = await band.ask('now', { priority: 'high' });
    expect(high.text).toBe('now');
    expect(band.count('preempted')).toBe(1);
    const { text, error, events } = await low;
    expect(error).toBeUndefined();
    expect(text).toBe('patience');
    expect(events.filter(({ type }) => type === 'started')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'done')).toHaveLength(1);
  });

  test('a low request that has been read from keeps its slot', async () => {
    const band = await start({ slots: 1 });
    const low = band.ask('[[slow:10]][[tokens:30]]x', { priority: 'low' });
    await band.until(() => band.count('firstToken') === 1);
    const order: string[] = [];
    await Promise.all([
      low.then(() => order.push('low')),
      band.ask('now', { priority: 'high' }).then(() => order.push('high')),
    ]);
    expect(order).toEqual(['low', 'high']);
    expect(band.count('preempted')).toBe(0);
  });

  test('a preempted request that its client leaves is over', async () => {
    const band = await start({ slots: 1 });
    const leaving = new AbortController();
    const low = band.ask('[[prefill:400]]x', { priority: 'low', signal: leaving.signal });
    await band.until(() => band.count('dequeued') === 1);
    const high = band.ask('now', { priority: 'high' });
    leaving.abort();
    expect((await low).error?.code).toBe('client_closed_request');
    expect((await high).text).toBe('now');
    expect((await band.ask('still here')).text).toBe('still here');
  });

  // MX-009
  test('classes share by weight, the higher first, and arrival decides within one', async () => {
    const band = await start({ slots: 1 });
    const order: string[] = [];
    const begun = band.ask('[[slow:10]][[tokens:10]]x', { priority: 'low' });
    await band.until(() => band.count('firstToken') === 1);
    const asks = (['low', 'normal', 'high', 'normal', 'high'] as const).map(
      async (priority, index) => {
        await band.ask('x', { priority });
        order.push(`${priority} ${index}`);
      },
    );
    await Promise.all([begun, ...asks]);
    // A token of normal weighs more than one of high, and the low one has run for ten.
    expect(order).toEqual(['high 2', 'normal 1', 'high 4', 'normal 3', 'low 0']);
  });

  test('a worker that was spawned before is adopted', async () => {
    const early = new Orchestra();
    const process_ = spawnWorker({
      model: 'a',
      backend: 'fake',
      number: 1,
      runId: 'early',
      heartbeat: HEARTBEAT,
      environment: { PATH: process.env.PATH ?? '' },
    });
    await early.end();
    const band = await start({ prespawned: new Map([['a', process_]]) });
    expect(band.pids).toEqual([process_.pid]);
    expect((await band.ask('hello')).text).toBe('hello');
  });

  test('what a library prints becomes log lines, and no answer breaks', async () => {
    const band = await start({ fixture: 'prints' });
    await band.until(() => band.lines.some(({ fields }) => fields.line === 'a banner'));
    expect((await band.ask('x')).text).toBe('hi');
  });
});

describe('cancelling', () => {
  test.each([
    ['in prefill', '[[prefill:60000]]x', 'granted'],
    ['in decode', '[[slow:20]][[tokens:3000]]x', 'streaming'],
  ])('%s frees the slot', async (_where, prompt, moment) => {
    const band = await start({ slots: 1 });
    const leaving = new AbortController();
    const left = band.ask(prompt, { signal: leaving.signal });
    await band.until(() => band.count(moment === 'granted' ? 'dequeued' : 'firstToken') === 1);
    const next = band.ask('next');
    leaving.abort();
    expect((await left).error?.code).toBe('client_closed_request');
    expect((await next).text).toBe('next');
    expect(endings(band)).toEqual({ cancelled: 1, stop: 1 });
  });

  test('while queued removes it at once', async () => {
    const band = await start({ slots: 1 });
    const first = band.ask('[[slow:20]][[tokens:20]]x');
    const leaving = new AbortController();
    const second = band.ask('never', { signal: leaving.signal });
    const third = band.ask('third');
    await band.until(() => band.count('queued') === 3);
    leaving.abort();
    const { error, events } = await second;
    expect(error?.code).toBe('client_closed_request');
    expect(events.map(({ type }) => type)).toEqual(['waiting']);
    expect((await first).error).toBeUndefined();
    expect((await third).text).toBe('third');
  });

  test('leaving the loop is cancelling', async () => {
    const band = await start({ slots: 1 });
    const ticket = await band.submit('[[slow:5]][[tokens:9000]]x');
    for await (const event of ticket.events) if (event.type === 'delta') break;
    expect((await band.ask('next')).text).toBe('next');
    expect(endings(band)).toEqual({ cancelled: 1, stop: 1 });
  });

  test('before it is submitted is no request at all', async () => {
    const band = await start();
    const { error } = await band.ask('x', { signal: AbortSignal.abort() });
    expect(error?.code).toBe('client_closed_request');
    expect(band.count('queued')).toBe(0);
  });

  test('200 at once, at any moment: every counter balances and the slots are free', async () => {
    const band = await start({ slots: 4 });
    const asks = Array.from({ length: 200 }, (_, index) => {
      const leaving = new AbortController();
      const asked = band.ask(`[[slow:2]][[tokens:${5 + (index % 20)}]]${index} `, {
        signal: leaving.signal,
        priority: (['high', 'normal', 'low'] as const)[index % 3]!,
        onEvent: ({ type }) => {
          if (index % 5 === 0 && type === 'delta') leaving.abort();
          if (index % 5 === 1 && type === 'started') leaving.abort();
        },
      });
      if (index % 5 === 2) queueMicrotask(() => leaving.abort());
      if (index % 5 === 3) setImmediate(() => leaving.abort());
      return asked;
    });
    const heard = await Promise.all(asks);
    for (const [index, { error }] of heard.entries()) {
      if (index % 5 === 4) expect(error).toBeUndefined();
      else if (error !== undefined) expect(error.code).toBe('client_closed_request');
    }
    await band.until(() => {
      const last = band.seen.findLast(([name]) => name === 'slots');
      return (last?.[2] as { busy: number } | undefined)?.busy === 0;
    });
    // One that made room for a high one waited twice.
    expect(band.count('queued')).toBeGreaterThanOrEqual(200);
    expect(band.count('dequeued')).toBe(band.count('queued'));
    expect(band.count('ended')).toBe(200);
    expect((await band.ask('still here')).text).toBe('still here');
  });
});

describe('a slow reader', () => {
  test('holds up its own sequence only, and gets everything when it reads', async () => {
    const band = await start({ slots: 2 });
    const ticket = await band.submit('[[tokens:2000]]abc ');
    const events = ticket.events[Symbol.asyncIterator]();
    await band.until(() => band.count('tokenGap') > 0);
    expect((await band.ask('[[tokens:3000]]x')).error).toBeUndefined();
    expect(band.count('ended')).toBe(1);
    let tokens = 0;
    for (let next = await events.next(); !next.done; next = await events.next()) {
      if (next.value.type === 'delta') tokens += next.value.ids.length;
    }
    expect(tokens).toBe(2000);
  });

  test('is cut when it does not read at all, and its slot is free', async () => {
    const band = await start({ slots: 1, worker: { slowReaderMs: 100 } });
    const ticket = await band.submit('[[tokens:2000]]abc ');
    const next = await band.ask('next');
    expect(next.text).toBe('next');
    const read = async () => {
      for await (const _ of ticket.events);
    };
    await expect(read()).rejects.toMatchObject({ code: 'slow_reader' });
  });
});

function endings(band: Orchestra): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, argument] of band.seen) {
    if (name !== 'ended') continue;
    const { outcome } = argument as { outcome: string };
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

function bind(band: Orchestra) {
  return { ask: band.ask.bind(band) };
}
