import { type Duplex, duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';

import {
  BacklogError,
  type ChannelOptions,
  openParentChannel,
  openWorkerChannel,
  type WorkerChannel,
} from '../../../src/ipc/channel.ts';
import { encodeBinaryFrame, encodeFrame, ProtocolError } from '../../../src/ipc/codec.ts';
import type { FromWorkerMessage } from '../../../src/ipc/protocol.ts';

const step = (call: number): FromWorkerMessage => ({
  type: 'step',
  sequences: [{ call, ids: [1], text: 'x' }],
});

interface Watched {
  readonly channel: WorkerChannel;
  readonly messages: FromWorkerMessage[];
  /** The error, or undefined for a clean end. */
  readonly closed: Promise<Error | undefined>;
  closes: number;
}

function watch(stream: Duplex, options?: ChannelOptions): Watched {
  const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
  const messages: FromWorkerMessage[] = [];
  const channel = openWorkerChannel(
    stream,
    {
      onMessage: (message) => messages.push(message),
      onClose: (error) => {
        watched.closes++;
        resolve(error);
      },
    },
    options,
  );
  const watched: Watched = { channel, messages, closed, closes: 0 };
  return watched;
}

describe('Channel', () => {
  it('carries messages both ways and closes cleanly after what was said', async () => {
    const [ours, theirs] = duplexPair();
    const parent = watch(ours);
    const heard: unknown[] = [];
    const worker = openParentChannel(theirs, {
      onMessage: (message) => {
        heard.push(message);
        worker.send(step(1));
        worker.send(step(2));
        void worker.close();
      },
      onClose: () => heard.push('closed'),
    });
    parent.channel.send({ type: 'cancel', call: 4 });
    expect(await parent.closed).toBeUndefined();
    expect(parent.messages).toEqual([step(1), step(2)]);
    expect(heard[0]).toEqual({ type: 'cancel', call: 4 });
    expect(parent.closes).toBe(1);
  });

  it('lets what was sent leave before it closes, and sends nothing afterwards', async () => {
    const [ours, theirs] = duplexPair();
    const parent = watch(ours);
    const worker = openParentChannel(theirs, { onMessage: () => {}, onClose: () => {} });
    worker.send(step(1));
    const flushed = worker.close();
    worker.send(step(2));
    await flushed;
    await worker.close();
    expect(await parent.closed).toBeUndefined();
    expect(parent.messages).toEqual([step(1)]);
    expect(worker.isOpen).toBe(false);
  });

  it.each([
    ['noise', Buffer.from('Loading model...\n'), 'length'],
    ['an unknown type', encodeFrame({ type: 'chatter' }), 'message'],
    [
      'a wrong field',
      encodeFrame({ type: 'step', sequences: [{ call: 0, ids: [], text: '' }] }),
      'message',
    ],
    [
      'a negative id',
      encodeFrame({ type: 'step', sequences: [{ call: 1, ids: [-1], text: '' }] }),
      'message',
    ],
    ['no object', encodeFrame([1]), 'message'],
    ['a message of the other direction', encodeFrame({ type: 'drain' }), 'message'],
    [
      'a body where none belongs',
      Buffer.concat(encodeBinaryFrame(step(1), new Uint8Array(2))),
      'message',
    ],
  ])('ends with a ProtocolError on %s', async (_, bytes, fault) => {
    const [ours, theirs] = duplexPair();
    const parent = watch(ours);
    theirs.write(Buffer.concat([encodeFrame(step(7)), bytes, encodeFrame(step(8))]));
    const error = await parent.closed;
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ fault });
    expect(parent.messages).toEqual([step(7)]);
    expect(ours.destroyed).toBe(true);
  });

  it('names the field that is wrong and never its value', async () => {
    const [ours, theirs] = duplexPair();
    const parent = watch(ours);
    theirs.write(
      encodeFrame({ type: 'step', sequences: [{ call: 1, ids: ['secret'], text: 'secret' }] }),
    );
    const error = await parent.closed;
    expect(error?.message).toMatch(/"step": sequences\.0\.ids\.0: /);
    expect(error?.message).not.toContain('secret');
  });

  it('tells an end inside a frame from an end between two', async () => {
    const [ours, theirs] = duplexPair();
    const parent = watch(ours);
    theirs.end(encodeFrame(step(1)).subarray(0, 9));
    expect(await parent.closed).toMatchObject({ fault: 'truncated' });
  });

  it('ends when the peer stops reading', async () => {
    const [ours] = duplexPair();
    const parent = watch(ours, { maxBufferedBytes: 10_000 });
    for (let count = 0; count < 1000 && parent.channel.isOpen; count++) {
      parent.channel.send({ type: 'cancel', call: 1 });
    }
    expect(await parent.closed).toBeInstanceOf(BacklogError);
    expect(parent.channel.isOpen).toBe(false);
    parent.channel.send({ type: 'drain' });
    expect(parent.closes).toBe(1);
  });

  it('delivers nothing after destroy, not even from the same bytes', async () => {
    const [ours, theirs] = duplexPair();
    const heard: FromWorkerMessage[] = [];
    const reason = new Error('enough');
    const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
    const channel = openWorkerChannel(ours, {
      onMessage: (message) => {
        heard.push(message);
        channel.destroy(reason);
      },
      onClose: resolve,
    });
    theirs.write(Buffer.concat([encodeFrame(step(1)), encodeFrame(step(2))]));
    expect(await closed).toBe(reason);
    channel.destroy();
    await channel.close();
    expect(heard).toEqual([step(1)]);
  });

  it('hands on what the stream itself fails with', async () => {
    const [ours] = duplexPair();
    const parent = watch(ours);
    const failure = new Error('EIO');
    ours.destroy(failure);
    expect(await parent.closed).toBe(failure);
  });

  it('refuses a message that no frame can hold and stays open', () => {
    const [ours] = duplexPair();
    const { channel } = watch(ours);
    const path = 'x'.repeat(17 * 1024 * 1024);
    expect(() =>
      channel.send({ type: 'load', path, contextTokens: 1, slots: 1, threads: 1, gpu: 'off' }),
    ).toThrow(expect.objectContaining({ code: 'payload_too_large' }));
    expect(channel.isOpen).toBe(true);
    channel.destroy();
  });
});
