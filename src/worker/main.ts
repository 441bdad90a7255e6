/**
 * Entry of a worker process: `worker --run-id=<id> --backend=<name>`, frames on fd 3.
 *
 * Opens fd 3 and says hello before it imports anything but the codec, so that the orchestrator knows
 * within a few ms that the process lives; the rest of the conversation is `run.ts`. Node has made
 * fd 3 close-on-exec by then, so that nothing a backend starts can keep the channel open. stdout and
 * stderr are free for what libraries print.
 *
 * Exits  0 asked to · 64 wrong arguments · 70 a fault of ours · 76 the parent broke the protocol ·
 *        SIGKILL by itself when the parent is gone.
 */
import { parseArgs } from 'node:util';

import { openChannelSocket } from '../ipc/channel-socket.ts';
import { encodeFrame } from '../ipc/codec.ts';
import type { HelloMessage } from '../ipc/protocol.ts';
import { VERSION } from '../ipc/version.ts';
import { type BackendName, buildOf, isBackendName } from './builds.ts';
import { killOwnGroup } from './end.ts';

const CHANNEL_FD = 3;
const EXIT_USAGE = 64;

const { runId, backend } = readArguments();
const socket = openChannelSocket(CHANNEL_FD);
// Until the channel takes over: a parent that cannot be written to is gone.
socket.on('error', killOwnGroup);
socket.write(
  encodeFrame({
    type: 'hello',
    version: VERSION,
    runId,
    backend,
    build: buildOf(backend),
    pid: process.pid,
  } satisfies HelloMessage),
);
const { runWorker } = await import('./run.ts');
socket.off('error', killOwnGroup);
runWorker(socket, backend);

function readArguments(): { readonly runId: string; readonly backend: BackendName } {
  try {
    const { values, positionals } = parseArgs({
      options: {
        'run-id': { type: 'string' },
        backend: { type: 'string' },
        // For programs that do not speak of heartbeats in `welcome`, as we do.
        'heartbeat-dependent': { type: 'boolean' },
        'heartbeat-independent': { type: 'boolean' },
      },
      allowPositionals: true,
    });
    const { 'run-id': id, backend: name } = values;
    if (positionals[0] !== 'worker' || !id || !name || !isBackendName(name)) {
      throw new Error('expected: worker --run-id=<id> --backend=<llama-cpp|fake>');
    }
    return { runId: id, backend: name };
  } catch (error) {
    process.stderr.write(`hearth worker: ${error instanceof Error ? error.message : error}\n`);
    process.exit(EXIT_USAGE);
  }
}
