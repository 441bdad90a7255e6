/** A plain call: one user text, greedy, no limits of its own. */
import type { GenerateMessage } from '../../../src/ipc/protocol.ts';
import { GREEDY } from '../../support/greedy.ts';

export function generateMessage(call: number, text: string): GenerateMessage {
  return {
    type: 'generate',
    call,
    requestId: `req-${call}`,
    tenant: 'default',
    priority: 'normal',
    prompt: { messages: [{ role: 'user', parts: [{ type: 'text', text }] }] },
    sampling: GREEDY,
    stops: [],
    echo: false,
    creditTokens: 256,
  };
}
