/** The other end of the `payload` bench: a process that says what it got, until its channel ends. */
import { Channel } from '../src/ipc/channel.ts';
import { openChannelSocket } from '../src/ipc/channel-socket.ts';
import { RECEIVER, receiptOf } from './lib/blobs.ts';

const socket = openChannelSocket(3);
const channel = new Channel(socket, RECEIVER, {
  onMessage: (blob) => channel.send(receiptOf(blob)),
  onClose: (error) => process.exit(error === undefined ? 0 : 1),
});
