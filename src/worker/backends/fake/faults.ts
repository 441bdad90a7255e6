/** What can be ordered to go wrong in a fake model: see `reply.ts` for how. */
import { existsSync, writeFileSync } from 'node:fs';

import type { ReplyPlan } from './reply.ts';

/** Does what is due after `produced` tokens. Returns true when the loop has to hang from now on. */
export function runFaults(plan: ReplyPlan, produced: number, scriptPath: string): boolean {
  if (produced === plan.dieAfterTokens) die();
  if (plan.dieOnce !== undefined) dieOnce(`${scriptPath}.died-${plan.dieOnce}`);
  if (produced === plan.throwAfterTokens) throw new Error('The fake model was told to throw.');
  if (produced === plan.freezeAfterTokens) standStill();
  if (produced === plan.spinAfterTokens) spin();
  return produced === plan.hangAfterTokens;
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** The marker outlives the process: the next worker lives. */
function dieOnce(marker: string): void {
  if (existsSync(marker)) return;
  writeFileSync(marker, '');
  die();
}

/** Stops this thread for good, as a native call that never returns would. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** The same with a core of the machine, as a native loop that never ends would. */
function spin(): never {
  for (;;);
}
