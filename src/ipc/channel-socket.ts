/**
 * The socket of a channel that a worker was given as a file number. It is read into one buffer again and
 * again: a new buffer for each read is what a megabyte costs most, in garbage. What a 'data' event holds
 * is therefore good until its listeners return, which is all that a channel asks for.
 *
 *   open, paused ──resume(), by the channel──▶ flowing
 */
import { Socket } from 'node:net';

/** What one read of a socket pair gives at most. */
const READ_BYTES = 64 * 1024;

/** Paused: nothing is lost before somebody listens. */
export function openChannelSocket(fd: number): Socket {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const callback = (bytes: number) => {
    socket.emit('data', buffer.subarray(0, bytes));
    return true;
  };
  const socket: Socket = new Socket({
    fd,
    readable: true,
    writable: true,
    onread: { buffer, callback },
  });
  return socket.pause();
}
