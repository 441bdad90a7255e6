/** Controls over nothing: a reload reports what the test wants, or fails with it. */
import type { Controls, ReloadReport } from '../../src/core/controls.ts';
import type { RequestError } from '../../src/core/errors.ts';
import type { LogLevel } from '../../src/core/log.ts';

export class ScriptedControls implements Controls {
  logLevel: LogLevel = 'info';
  outcome: ReloadReport | RequestError = {
    applied: [],
    refused: [],
    models: { added: [], removed: [], changed: [] },
  };

  reload(): ReloadReport {
    if (this.outcome instanceof Error) throw this.outcome;
    return this.outcome;
  }
}
