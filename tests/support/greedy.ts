/** Sampling that always takes the likeliest token: the same answer every time. */
import type { GenerateMessage } from '../../src/ipc/protocol.ts';

export const GREEDY: GenerateMessage['sampling'] = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repeatPenalty: 1,
  seed: 1,
  logitBias: [],
  ignoreEos: false,
};
