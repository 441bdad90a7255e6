/** The faults that must be survived. Numbers are those of the fault table in the design of the workers. */
import type { Experiment } from './experiment.ts';
import { CLIENTS } from './experiments/clients.ts';
import { CLOCKS } from './experiments/clocks.ts';
import { DEATHS } from './experiments/deaths.ts';
import { FRAMES } from './experiments/frames.ts';
import { HOSTILE } from './experiments/hostile.ts';
import { MEMORY } from './experiments/memory.ts';
import { MODELS } from './experiments/models.ts';
import { NETWORK } from './experiments/network.ts';
import { RESOURCES } from './experiments/resources.ts';
import { STATE } from './experiments/state.ts';
import { STOPS } from './experiments/stops.ts';
import { SYSCALLS } from './experiments/syscalls.ts';

export const EXPERIMENTS: readonly Experiment[] = [
  ...DEATHS,
  ...STOPS,
  ...CLIENTS,
  ...MEMORY,
  ...FRAMES,
  ...NETWORK,
  ...RESOURCES,
  ...STATE,
  ...CLOCKS,
  ...SYSCALLS,
  ...HOSTILE,
  ...MODELS,
].toSorted((a, b) => a.number - b.number);
