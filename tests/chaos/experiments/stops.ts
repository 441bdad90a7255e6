/** Faults 5, 27, 28: processes stand still, or are asked to end. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { processFacts } from '../../../src/orchestrator/registry/processes.ts';
import { atWork, type Experiment, RESTARTS } from '../experiment.ts';

const SLEEP_MS = 4_000;
/** Three periods. */
const SILENCE_MS = 300;
/** For a look, which comes four times in a period, the kill, and a machine that others use. */
const SILENCE_SLACK_MS = 500;
/** Half of the answers come within it. */
const HEALTH_MS = 100;
const STEP_TIMEOUT_MS = 400;
/** For the tokens before the loop, a step that was slow when it was measured, a look, and the end. */
const LOOP_SLACK_MS = 1_600;

export const STOPS: readonly Experiment[] = [
  {
    number: 5,
    name: 'a worker is stopped: killed, replaced, and not raised from the dead',
    rules: { mayFailWith: ['worker_hung'] },
    env: { HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '100', HEARTH_WORKER_HEARTBEAT_MISSES: '3' },
    run: async (world) => {
      const loading = world.load({ clients: 4, requests: 24 });
      await world.until(() => world.outcomes.length >= 3 + world.below(5));
      const problems: string[] = [];
      const [pid] = world.workerPids();
      const beganMs = performance.now();
      process.kill(pid!, 'SIGSTOP');
      const healthMs = await world.healthUntil(() => processFacts(pid!) === undefined);
      const goneMs = performance.now() - beganMs;
      if (goneMs > SILENCE_MS + SILENCE_SLACK_MS)
        problems.push(`gone after ${goneMs.toFixed(0)} ms`);
      if (healthMs > HEALTH_MS) problems.push(`/health took ${healthMs.toFixed(0)} ms meanwhile`);
      await loading;
      return { faults: 1, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 5,
    name: 'a worker loops for ever, with or without heartbeats: killed by the step clock',
    rules: { mayFailWith: ['worker_hung'] },
    env: {
      HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '100',
      // What is to end it is that nothing moves, not that nothing is heard.
      HEARTH_WORKER_HEARTBEAT_MISSES: '100',
      HEARTH_WORKER_STEP_TIMEOUT_S: String(STEP_TIMEOUT_MS / 1_000),
    },
    run: async (world) => {
      const problems: string[] = [];
      // Its speed is measured then: before, a step may take six times as long.
      await world.load({ clients: 4, requests: 16 });
      const pids = world.workerPids();
      const beside = world.load({ clients: 3, requests: 9 });
      const beganMs = performance.now();
      const loop = ['spin-after', 'hang-after'][world.below(2)];
      const afterTokens = 1 + world.below(30);
      const looping = world.ask(60, { commands: `[[${loop}:${afterTokens}]]` });
      const healthMs = await world.healthUntil(() =>
        pids.every((pid) => processFacts(pid) === undefined),
      );
      if (healthMs > HEALTH_MS) problems.push(`/health took ${healthMs.toFixed(0)} ms meanwhile`);
      const goneMs = performance.now() - beganMs;
      if (goneMs > STEP_TIMEOUT_MS + LOOP_SLACK_MS) {
        problems.push(`${loop}: the worker was gone after ${goneMs.toFixed(0)} ms`);
      }
      const { end, text } = await looping;
      // What has left the worker before it hung is told; at most a frame of it is lost.
      if (end !== 'failed' || text.length > afterTokens) {
        problems.push(`${loop}: ${end} with ${text.length} characters`);
      }
      await beside;
      const hung = await world.metric(
        /^hearth_worker_restarts_total\{reason="worker_hung"\} (\d+)/gm,
      );
      return { faults: hung, problems: [...problems, ...(await atWork(world))] };
    },
  },
  {
    number: 27,
    name: 'SIGTERM during streams: what runs ends, nothing new begins, exit 0',
    rules: { mayFailWith: ['draining', 'connection'] },
    run: async (world) => {
      const running = Array.from({ length: 4 }, () => world.ask(300));
      await world.until(
        async () => (await world.metric(/^hearth_slots\{.*"busy"\} (\d+)/gm)) === 4,
      );
      const exited = once(world.server.child, 'exit');
      world.server.child.kill('SIGTERM');
      const ends = (await Promise.all(running)).map(({ end }) => end);
      const [code] = (await exited) as [number | null];
      const problems = ends.every((end) => end === 'answered') ? [] : [`running ones: ${ends}`];
      if (code !== 0) problems.push(`exit ${code}`);
      const late = await world.ask(10);
      if (late.end !== 'failed') problems.push(`a request after the end was ${late.end}`);
      return { faults: 1, problems };
    },
  },
  {
    number: 28,
    name: 'the machine sleeps: server and workers stand still, and nobody is killed for it',
    rules: { mayFailWith: [] },
    env: { HEARTH_WORKER_HEARTBEAT_INTERVAL_MS: '300', HEARTH_WORKER_HEARTBEAT_MISSES: '4' },
    run: async (world) => {
      const loading = world.load({ clients: 4, requests: 24 });
      await world.until(() => world.outcomes.length >= 3 + world.below(5));
      const asleep = [world.serverPid(), ...world.workerPids()];
      for (const pid of asleep) process.kill(pid, 'SIGSTOP');
      // The fault itself: three times as long as a worker may be silent.
      await sleep(SLEEP_MS);
      for (const pid of asleep) process.kill(pid, 'SIGCONT');
      await loading;
      const restarts = await world.metric(RESTARTS);
      const problems = restarts === 0 ? [] : [`${restarts} workers were killed`];
      return { faults: asleep.length, problems: [...problems, ...(await atWork(world))] };
    },
  },
];
