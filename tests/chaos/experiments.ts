/** The faults that must be survived. Numbers are those of the fault table in the design of the workers. */
import type { Experiment } from './experiment.ts';
import { CLIENTS } from './experiments/clients.ts';
import { DEATHS } from './experiments/deaths.ts';
import { FRAMES } from './experiments/frames.ts';
import { NETWORK } from './experiments/network.ts';
import { RESOURCES } from './experiments/resources.ts';
import { STATE } from './experiments/state.ts';
import { STOPS } from './experiments/stops.ts';

export const EXPERIMENTS: readonly Experiment[] = [
  ...DEATHS,
  ...STOPS,
  ...CLIENTS,
  ...FRAMES,
  ...NETWORK,
  ...RESOURCES,
  ...STATE,
].toSorted((a, b) => a.number - b.number);
