/** Messages with payloads between two channels, over a stream in memory; the arena is a real file. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Arena } from '../../../src/ipc/arena.ts';
import {
  type ChannelOptions,
  openParentChannel,
  openWorkerChannel,
  type WorkerChannel,
} from '../../../src/ipc/channel.ts';
import { encodeBinaryFrame, encodeFrame, FrameDecoder } from '../../../src/ipc/codec.ts';
import type { Fallback } from '../../../src/ipc/outbox.ts';
import {
  ARENA_BYTES,
  type BlockMessage,
  type FromWorkerMessage,
  type GenerateMessage,
  LARGE_BYTES,
  MAX_PART_BYTES,
  MAX_PAYLOAD_BYTES,
  type ToWorkerMessage,
} from '../../../src/ipc/protocol.ts';
import { generateMessage } from '../worker/generate-message.ts';

const MIB = 1024 * 1024;
const cancel = (call: number) => ({ type: 'cancel', call }) as const;
const large = (call: number, bytes: number) => generateMessage(call, `${call} `.padEnd(bytes, '.'));

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'hearth-arena-')), 'arena');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));

/** The worker's end: what it was told and how it ended. */
class Receiver {
  readonly messages: ToWorkerMessage[] = [];
  readonly closed: Promise<Error | undefined>;
  readonly #waiters = new Set<() => void>();

  constructor(stream: Duplex) {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.closed = promise;
    openParentChannel(stream, {
      onMessage: (message) => {
        this.messages.push(message);
        for (const look of this.#waiters) look();
      },
      onClose: resolve,
    });
  }

  async count(wanted: number): Promise<void> {
    if (this.messages.length >= wanted) return;
    await new Promise<void>((resolve) => {
      this.#waiters.add(() => this.messages.length >= wanted && resolve());
    });
  }
}

interface Pair {
  readonly sender: WorkerChannel;
  readonly receiver: Receiver;
  readonly answers: FromWorkerMessage[];
  readonly fallbacks: Fallback[];
  /** All frames in either direction, by type. */
  readonly types: string[];
}

function connect(options: ChannelOptions = {}): Pair {
  const [ours, theirs] = duplexPair();
  const types: string[] = [];
  const fallbacks: Fallback[] = [];
  for (const side of [ours, theirs]) {
    const decoder = new FrameDecoder();
    side.on('data', (bytes: Buffer) => {
      for (const { message } of decoder.push(bytes)) types.push((message as { type: string }).type);
    });
  }
  const answers: FromWorkerMessage[] = [];
  const onFallback = (fallback: Fallback) => fallbacks.push(fallback);
  const sender = openWorkerChannel(
    ours,
    { onMessage: (message) => answers.push(message), onClose: () => {} },
    { onFallback, ...options },
  );
  return { sender, receiver: new Receiver(theirs), answers, fallbacks, types };
}

describe('a large prompt', () => {
  it.each([
    ['in parts', () => ({}), ['generate', 'payload', 'payload', 'payload']],
    [
      'through the arena',
      () => ({ arenaFolder: folder, arenaFromBytes: LARGE_BYTES }),
      ['generate', 'arena', 'arena_opened', 'block', 'release'],
    ],
  ])('is delivered as the message it was: %s', async (_, options, types) => {
    const pair = connect(options());
    const message = large(1, 2.5 * MIB);
    pair.sender.send(message);
    await pair.receiver.count(1);
    await new Promise(setImmediate);
    expect(pair.receiver.messages).toEqual([message]);
    expect(pair.types).toEqual(types);
    expect(pair.fallbacks).toEqual([]);
  });

  it('stays inside the message up to 256 KiB of JSON, whatever its characters', async () => {
    const pair = connect();
    const frame = JSON.stringify({ text: '' }).length;
    const fits = ['x', '\u0001'].map((one) => {
      const times = Math.floor((LARGE_BYTES - frame) / (JSON.stringify(one).length - 2));
      return one.repeat(times);
    });
    const prompts = [...fits, ...fits.map((text) => `${text}yyyyyy`), '字'.repeat(LARGE_BYTES / 3)];
    for (const [index, text] of prompts.entries()) {
      pair.sender.send({ ...generateMessage(index + 1, ''), prompt: { text } });
    }
    await pair.receiver.count(prompts.length);
    expect(pair.types.filter((type) => type === 'payload')).toHaveLength(3);
    const heard = pair.receiver.messages.map((message) => (message as GenerateMessage).call);
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it('is overtaken by what is said after it', async () => {
    const pair = connect();
    pair.sender.send(large(1, 8 * MIB));
    pair.sender.send(generateMessage(2, 'small'));
    pair.sender.send({ type: 'credit', call: 2, tokens: 5 });
    await pair.receiver.count(3);
    const heard = pair.receiver.messages.map((message) => (message as { call: number }).call);
    expect(heard).toEqual([2, 2, 1]);
  });

  it('above 64 MiB is refused before anything is sent; one that is echoed, above 8', () => {
    const { sender, types } = connect();
    const refused = (message: GenerateMessage) =>
      expect(() => sender.send(message)).toThrow(
        expect.objectContaining({ code: 'payload_too_large' }),
      );
    refused(large(1, MAX_PAYLOAD_BYTES));
    refused({ ...generateMessage(2, ''), prompt: { text: '\u0001'.repeat(12 * MIB) } });
    refused({ ...large(3, 9 * MIB), echo: true });
    expect(sender.isOpen).toBe(true);
    expect(types).toEqual([]);
  });

  it('that is cancelled on its way is dropped at both ends, and the call is answered', async () => {
    const pair = connect();
    pair.sender.send(large(1, 32 * MIB));
    pair.sender.send(large(2, MIB));
    pair.sender.send(cancel(1));
    await pair.receiver.count(1);
    expect(pair.receiver.messages).toEqual([large(2, MIB)]);
    expect(pair.answers).toEqual([
      expect.objectContaining({ type: 'finished', call: 1, reason: 'cancelled' }),
    ]);
    // One part was on its way when the cancel came; the other two are of the second.
    expect(pair.types.filter((type) => type === 'payload').length).toBeLessThanOrEqual(3);
  });

  it('does not run ahead of an end that does not read', async () => {
    const [ours, theirs] = duplexPair();
    const sender = openWorkerChannel(ours, { onMessage: () => {}, onClose: () => {} });
    sender.send(large(1, 8 * MIB));
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(ours.writableLength).toBeLessThan(2 * MIB);
    sender.send(cancel(1));
    const frames = await framesUntil(theirs, 'cancel');
    expect(frames.map(({ type }) => type)).toEqual(['generate', 'payload', 'cancel']);
    sender.destroy();
  });

  it('is sent to its end by a close', async () => {
    const pair = connect();
    pair.sender.send(large(1, 5 * MIB));
    await pair.sender.close();
    await pair.receiver.count(1);
    expect(pair.receiver.messages).toEqual([large(1, 5 * MIB)]);
  });
});

describe('the arena', () => {
  it('has no name once both have it open, and is used again', async () => {
    const pair = connect({ arenaFolder: folder, arenaFromBytes: LARGE_BYTES });
    for (let call = 1; call <= 5; call++) {
      pair.sender.send(large(call, 8 * MIB));
      await pair.receiver.count(call);
      expect(readdirSync(folder)).toEqual([]);
    }
    expect(pair.types.filter((type) => type === 'arena')).toHaveLength(1);
    expect(pair.types.filter((type) => type === 'block')).toHaveLength(5);
    expect(pair.receiver.messages.at(-1)).toEqual(large(5, 8 * MIB));
  });

  it('holds several at once, and what finds no room goes in parts', async () => {
    const [ours, theirs] = duplexPair();
    const fallbacks: Fallback[] = [];
    const sender = openWorkerChannel(
      ours,
      { onMessage: () => {}, onClose: () => {} },
      { arenaFolder: folder, onFallback: (fallback) => fallbacks.push(fallback) },
    );
    for (const call of [1, 2, 3]) sender.send(large(call, 25 * MIB));
    await framesUntil(theirs, 'arena');
    theirs.write(encodeFrame({ type: 'arena_opened' }));
    const frames = await framesUntil(theirs, 'payload');
    expect(frames).toMatchObject([
      { type: 'block', payload: 1, offset: 0, generation: 1 },
      { type: 'block', payload: 2, generation: 2 },
      { type: 'payload', payload: 3, offset: 0 },
    ]);
    expect((frames[1] as BlockMessage).offset).toBeGreaterThan(25 * MIB);
    expect(fallbacks).toMatchObject([{ reason: 'full' }]);
    sender.send(cancel(3));
    theirs.write(encodeFrame({ type: 'release', payload: 1 }));
    await framesUntil(theirs, 'cancel');
    sender.send(large(4, 25 * MIB));
    expect((await framesUntil(theirs, 'block')).at(-1)).toMatchObject({
      payload: 4,
      offset: 0,
      generation: 3,
    });
    sender.destroy();
  });

  it.each([
    ['cannot be made', () => writeFileSync(folder, ''), 'unavailable'],
    ['is in a folder that others may write to', () => openFolder(), 'unavailable'],
  ])('that %s is told once and counted always, and all goes in parts', async (_, spoil, reason) => {
    spoil();
    const pair = connect({ arenaFolder: folder, arenaFromBytes: LARGE_BYTES });
    pair.sender.send(large(1, MIB));
    pair.sender.send(large(2, MIB));
    await pair.receiver.count(2);
    expect(pair.receiver.messages).toEqual([large(1, MIB), large(2, MIB)]);
    expect(pair.fallbacks.map(({ isFirst, ...fallback }) => [fallback.reason, isFirst])).toEqual([
      [reason, true],
      [reason, false],
    ]);
    expect(pair.types).not.toContain('arena');
  });

  it('that the other end cannot open is given up, and its file is gone', async () => {
    const [ours, theirs] = duplexPair();
    const fallbacks: Fallback[] = [];
    const sender = openWorkerChannel(
      ours,
      { onMessage: () => {}, onClose: () => {} },
      { arenaFolder: folder, onFallback: (fallback) => fallbacks.push(fallback) },
    );
    sender.send(large(1, 5 * MIB));
    const frames = await framesUntil(theirs, 'arena');
    expect(frames).toMatchObject([{ type: 'generate' }, { type: 'arena' }]);
    expect(readdirSync(folder)).toHaveLength(1);
    theirs.write(encodeFrame({ type: 'arena_refused', reason: 'no' }));
    await framesUntil(theirs, 'payload');
    expect(readdirSync(folder)).toEqual([]);
    expect(fallbacks).toMatchObject([
      { reason: 'unavailable', why: expect.stringContaining('no') },
    ]);
    sender.destroy();
  });

  it('is read by an end that has said its last, without a word', async () => {
    const [ours, theirs] = duplexPair();
    const heard: string[] = [];
    const closed = new Promise<Error | undefined>((resolve) => {
      const worker = openParentChannel(theirs, {
        onMessage: ({ type }) => {
          heard.push(type);
          void worker.close();
        },
        onClose: resolve,
      });
    });
    const arena = new Arena(folder);
    const prompt = Buffer.from('{"text":"x"}');
    const block = arena.allocate(prompt.length)!;
    arena.write(block, prompt);
    const frames = [
      encodeFrame({ type: 'drain' }),
      announce(1, prompt.length),
      encodeFrame({ type: 'arena', path: arena.path, bytes: ARENA_BYTES }),
      encodeFrame({ type: 'block', payload: 1, ...arena.seal(block) }),
      announce(2, prompt.length),
      encodeFrame(cancel(2)),
    ];
    ours.resume();
    ours.end(Buffer.concat(frames));
    expect(await closed).toBeUndefined();
    expect(heard).toEqual(['drain', 'generate']);
    arena.close();
  });

  it('leaves no file behind when the channel ends before it was opened', async () => {
    const [ours, theirs] = duplexPair();
    const sender = openWorkerChannel(
      ours,
      { onMessage: () => {}, onClose: () => {} },
      { arenaFolder: folder },
    );
    sender.send(large(1, 5 * MIB));
    await framesUntil(theirs, 'arena');
    sender.destroy();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('any split and any order of parts', () => {
  const cut = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
  const plan = fc.record({
    parts: fc.array(cut, { minLength: 1, maxLength: 5 }),
    order: fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
    cuts: fc.array(fc.nat(), { maxLength: 20 }),
  });

  it('gives the same messages', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ parts, order, cuts }) => {
        const prompts = parts.map((sizes, index) => {
          const bytes = sizes.reduce((sum, size) => sum + size, 0);
          return Buffer.from(JSON.stringify({ text: String(index).repeat(bytes) }));
        });
        const frames = prompts.map((bytes, index) => announce(index + 1, bytes.length));
        const open = prompts.map((bytes, index) => ({ id: index + 1, bytes, at: 0 }));
        for (let turn = 0; open.length > 0; turn++) {
          const which = order[turn % order.length]! % open.length;
          const one = open[which]!;
          const size = parts[one.id - 1]![turn % parts[one.id - 1]!.length]!;
          frames.push(part(one.id, one.at, one.bytes.subarray(one.at, one.at + size)));
          one.at += size;
          if (one.at >= one.bytes.length) open.splice(which, 1);
          if (turn % 3 === 0) frames.push(encodeFrame({ type: 'credit', call: 99, tokens: 1 }));
        }
        const [ours, theirs] = duplexPair();
        const receiver = new Receiver(theirs);
        const bytes = Buffer.concat(frames);
        const at = [...new Set(cuts.map((one) => one % bytes.length))].sort((a, b) => a - b);
        for (const [index, from] of [0, ...at].entries())
          ours.write(bytes.subarray(from, at[index]));
        ours.end();
        expect(await receiver.closed).toBeUndefined();
        const heard = receiver.messages.filter((message) => message.type === 'generate');
        expect(heard.toSorted((a, b) => a.call - b.call).map(({ prompt }) => prompt)).toEqual(
          prompts.map((prompt) => JSON.parse(prompt.toString())),
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('what is no payload', () => {
  const ten = Buffer.from('{"text":1}');
  const block = { type: 'block', payload: 1, offset: 0, generation: 1, crc: 1 };

  it.each<[string, readonly Buffer[], string]>([
    ['a part that nobody announced', [part(1, 0, ten)], 'message'],
    [
      'a part after the last one',
      [announce(1, 5), part(1, 0, ten.subarray(5)), part(1, 5, ten)],
      'json',
    ],
    ['a part too many', [announce(1, 15), part(1, 0, ten), part(1, 10, ten)], 'message'],
    ['a part in the wrong place', [announce(1, 30), part(1, 0, ten), part(1, 11, ten)], 'message'],
    ['a part twice', [announce(1, 30), part(1, 0, ten), part(1, 0, ten)], 'message'],
    ['an empty part', [announce(1, 30), part(1, 0, Buffer.alloc(0))], 'message'],
    [
      'a part that is too large',
      [announce(1, 2 * MIB), part(1, 0, Buffer.alloc(MAX_PART_BYTES + 1))],
      'message',
    ],
    ['a part without a body', [announce(1, 30), encodeFrame(head(1, 0))], 'message'],
    [
      'a body on another message',
      [Buffer.concat(encodeBinaryFrame({ type: 'cancel', call: 1 }, ten))],
      'message',
    ],
    ['an id twice', [announce(1, 30), announce(1, 30, 2)], 'message'],
    ['an id that is not larger', [announce(5, 30), announce(4, 30, 2)], 'message'],
    ['a call twice', [announce(1, 30, 7), announce(2, 30, 7)], 'message'],
    ['a payload above 64 MiB', [announce(1, MAX_PAYLOAD_BYTES + 1)], 'message'],
    ['a payload of nothing', [announce(1, 0)], 'message'],
    [
      'a payload of a message that has none',
      [encodeFrame({ type: 'cancel', call: 1, payload: { id: 1, bytes: 10 } })],
      'message',
    ],
    ['a payload that is no prompt', [announce(1, 10), part(1, 0, ten)], 'message'],
    ['a payload that is no JSON', [announce(1, 3), part(1, 0, ten.subarray(0, 3))], 'json'],
    ['a payload that is no UTF-8', [announce(1, 1), part(1, 0, Buffer.from([255]))], 'encoding'],
    [
      'a prompt twice',
      [encodeFrame({ ...generateMessage(1, 'x'), payload: { id: 1, bytes: 10 } }), part(1, 0, ten)],
      'message',
    ],
    ['a block without an arena', [announce(1, 30), encodeFrame(block)], 'message'],
    [
      'two arenas',
      [0, 1].map(() => encodeFrame({ type: 'arena', path: '/x', bytes: ARENA_BYTES })),
      'message',
    ],
    ['an arena of another size', [encodeFrame({ type: 'arena', path: '/x', bytes: 5 })], 'message'],
    ['a release of nothing', [encodeFrame({ type: 'release', payload: 1 })], 'message'],
    ['an answer to no offer', [encodeFrame({ type: 'arena_opened' })], 'message'],
    [
      'nine begun at once',
      Array.from({ length: 9 }, (_, n) => [announce(n + 1, 30), part(n + 1, 0, ten)]).flat(),
      'message',
    ],
    ['an end before all is there', [announce(1, 30), part(1, 0, ten)], 'truncated'],
    ['an end before any of it is there', [announce(1, 30)], 'truncated'],
  ])('%s', async (_, frames, fault) => {
    const [ours, theirs] = duplexPair();
    const receiver = new Receiver(theirs);
    ours.on('data', () => {});
    for (const frame of frames) ours.write(frame);
    ours.end();
    expect(await receiver.closed).toMatchObject({ name: 'ProtocolError', fault });
    expect(receiver.messages).toEqual([]);
  });

  it.each([
    ['a payload', announce(1, 10)],
    ['an arena', encodeFrame({ type: 'arena', path: '/etc/hostname', bytes: ARENA_BYTES })],
    ['a part', part(1, 0, ten)],
  ])('%s from a worker', async (_, frame) => {
    const [ours, theirs] = duplexPair();
    const closed = new Promise<Error | undefined>((resolve) => {
      openWorkerChannel(ours, { onMessage: () => {}, onClose: resolve });
    });
    theirs.write(frame);
    expect(await closed).toMatchObject({ name: 'ProtocolError', fault: 'message' });
  });
});

function head(payload: number, offset: number) {
  return { type: 'payload', payload, offset };
}

function part(payload: number, offset: number, body: Uint8Array): Buffer {
  return Buffer.concat(encodeBinaryFrame(head(payload, offset), body));
}

function announce(id: number, bytes: number, call = id): Buffer {
  const { prompt: _, ...message } = generateMessage(call, '');
  return encodeFrame({ ...message, payload: { id, bytes } });
}

function openFolder(): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  chmodSync(folder, 0o777);
}

/** Reads frames until one of this type has come. */
async function framesUntil(stream: Duplex, last: string): Promise<{ readonly type: string }[]> {
  const decoder = new FrameDecoder();
  const frames: { readonly type: string }[] = [];
  return new Promise((resolve) => {
    const read = (bytes: Buffer) => {
      for (const { message } of decoder.push(bytes)) frames.push(message as { type: string });
      if (!frames.some(({ type }) => type === last)) return;
      stream.off('data', read);
      resolve(frames);
    };
    stream.on('data', read);
  });
}
