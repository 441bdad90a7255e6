/** What of a request reaches the worker. */
import { expect, test } from 'vitest';

import type { GenerationRequest } from '../../../src/core/engine.ts';
import { type Call, toJob } from '../../../src/orchestrator/call.ts';
import { GREEDY } from '../../support/greedy.ts';

test('MX-004 the grammar of a request goes with its job', () => {
  const grammar = { hash: '0'.repeat(64), text: 'root ::= "a"', after: '</think>' };
  const request: GenerationRequest = {
    model: 'm',
    prompt: { text: 'x' },
    sampling: GREEDY,
    stops: [],
    grammar,
  };
  const context = { requestId: 'r', tenant: 't', priority: 'normal' as const };
  expect(toJob({ request, context } as Call)).toMatchObject({ requestId: 'r', grammar });
});
