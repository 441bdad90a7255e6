/** A plain call: one user text, greedy, no limits of its own. */
import type { GenerateMessage } from '../../../src/ipc/protocol.ts';

export function generateMessage(call: number, text: string): GenerateMessage {
  return {
    type: 'generate',
    call,
    requestId: `req-${call}`,
    tenant: 'default',
    priority: 'normal',
    prompt: { messages: [{ role: 'user', parts: [{ type: 'text', text }] }] },
    sampling: {
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
    },
    stops: [],
    echo: false,
    creditTokens: 256,
  };
}
