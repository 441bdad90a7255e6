/**
 * Entry of the compiler process: `worker --run-id=<id> …`, frames on fd 3.
 *
 *   starting ──ready──▶ idle ──job──▶ busy ──answer──▶ idle        the channel ends: exit 0
 *
 * One job at a time, in order. It holds no model and no secret, and is ended when a job takes too much of a
 * processor's time: a schema may cost more than anybody can foresee.
 *
 * Exits  0 when the parent is gone · 76 the parent broke the protocol · by SIGVTALRM, a job was too long.
 */
import { setPriority } from 'node:os';

import { systemClock } from '../../core/clock.ts';
import { openChannelSocket } from '../../ipc/channel-socket.ts';
import { encodeFrame, FrameDecoder } from '../../ipc/codec.ts';
import {
  type FromCompilerMessage,
  ToCompiler,
  type ToCompilerMessage,
} from '../../ipc/compiler-protocol.ts';
import { Watchdog } from '../watchdog.ts';
import { compileConstraint } from './compile-job.ts';
import { examineLine } from './examine.ts';
import { explainSchema } from './explain.ts';
import { FinalCheck } from './final-check.ts';

const CHANNEL_FD = 3;
const EXIT_PROTOCOL = 76;
/** A third of what others get of a processor that everybody wants: a hostile schema takes it from nobody who streams. */
const NICENESS = 5;

const socket = openChannelSocket(CHANNEL_FD);
const decoder = new FrameDecoder();
const finalCheck = new FinalCheck();
const watchdog = new Watchdog();
let last: Promise<void> = Promise.resolve();

setPriority(NICENESS);
process.on('SIGINT', () => {});
socket.on('error', () => process.exit(0));
socket.on('close', () => process.exit(0));
socket.on('end', () => process.exit(0));
socket.on('data', (bytes: Uint8Array) => {
  try {
    for (const { message, body } of decoder.push(bytes)) {
      // A body is good until the next frame, and jobs wait for each other.
      enqueue(ToCompiler.parse(message), Buffer.from(body ?? []));
    }
  } catch (error) {
    process.stderr.write(`hearth compiler: ${error instanceof Error ? error.message : error}\n`);
    process.exit(EXIT_PROTOCOL);
  }
});
// Makes what all schemas share, which is most of what the first of them would wait for.
compileConstraint({ kind: 'json_object' }, { maxDepth: 20, maxGrammarBytes: 65_536 });
send({ type: 'ready' });
socket.resume();

function enqueue(job: ToCompilerMessage, body: Uint8Array): void {
  last = last
    .then(() => answerTo(job, body))
    .catch((error: unknown) => ({ type: 'failed' as const, call: job.call, why: whereOf(error) }))
    .then(send);
}

async function answerTo(job: ToCompilerMessage, body: Uint8Array): Promise<FromCompilerMessage> {
  watchdog.allow(job.cpuMs);
  try {
    return await answerOf(job, body);
  } finally {
    watchdog.allowAll();
  }
}

async function answerOf(job: ToCompilerMessage, body: Uint8Array): Promise<FromCompilerMessage> {
  const { call } = job;
  switch (job.type) {
    case 'compile': {
      const compiled = compileConstraint(job.constraint, job.limits);
      return 'grammar' in compiled
        ? { type: 'compiled', call, grammar: compiled.grammar }
        : { type: 'refused', call, ...compiled };
    }
    case 'check': {
      const checked = await finalCheck.check(job.constraint, job.grammar, job.answer);
      return { type: 'checked', call, ...checked };
    }
    case 'examine':
      return { type: 'examined', call, ...examineLine(body, job.limits, systemClock) };
    case 'explain': {
      const explained = explainSchema(body, job, systemClock);
      return { type: 'explained', call, ...explained };
    }
  }
}

/** Without its message, which may hold what a client has sent. */
function whereOf(error: unknown): string {
  if (!(error instanceof Error)) return 'something was thrown that is no error';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [error.name, ...frames].join('\n');
}

function send(message: FromCompilerMessage): void {
  socket.write(encodeFrame(message));
}
