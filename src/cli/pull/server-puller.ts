/**
 * Pulls for a running server: the same as `hearth pull`, and then it serves the model.
 *
 * Errors  RequestError `invalid_value`, `pull_refused`; CapacityError `pull_failed`; the signal's reason.
 */
import { CapacityError, RequestError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { PullDone, PullEvent, Puller, PullRequest } from '../../core/puller.ts';
import { pull } from '../../models/pull/pull.ts';
import { PullError } from '../../models/pull/pull-error.ts';
import { CliError } from '../context.ts';
import type { PullSettings } from './settings.ts';

interface Options {
  readonly settings: () => PullSettings;
  /** Has the server look at its models again. */
  readonly reload: () => void;
  readonly log: Log;
}

const COME_BACK_MS = 30_000;

export class ServerPuller implements Puller {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  async pull(
    request: PullRequest,
    { signal, onEvent }: { signal: AbortSignal; onEvent: (event: PullEvent) => void },
  ): Promise<PullDone> {
    const { settings, reload, log } = this.#options;
    try {
      const done = await pull(request, { ...settings(), signal, onEvent });
      const { name, reference, revision, bytes, change } = done;
      log.info({ model: name, reference, revision, bytes, change }, 'model pulled');
      if (change !== 'none') this.#reload(reload, onEvent);
      return done;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof PullError) throw toHearthError(error);
      // A variable of the environment that cannot be used.
      if (error instanceof CliError) {
        throw new RequestError('pull_refused', error.message, { cause: error });
      }
      throw error;
    }
  }

  /** The model is there, whatever stands in the configuration meanwhile. */
  #reload(reload: () => void, onEvent: (event: PullEvent) => void): void {
    try {
      reload();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const message = `it is there and not served yet: ${error.message}`;
      onEvent({ event: 'note', message });
    }
  }
}

function toHearthError(error: PullError): RequestError | CapacityError {
  const { message } = error;
  const cause = { cause: error };
  switch (error.code) {
    case 'invalid_reference':
      return new RequestError('invalid_value', message, { ...cause, param: 'model' });
    case 'unreachable':
      return new CapacityError('pull_failed', message, { ...cause, retryAfterMs: COME_BACK_MS });
    case 'broken':
      return new CapacityError('pull_failed', message, { ...cause, retryAfterMs: undefined });
    case 'not_found':
    case 'not_allowed':
    case 'ambiguous':
    case 'refused':
    case 'name_taken':
    case 'no_memory':
    case 'disk_full':
    case 'folder':
      return new RequestError('pull_refused', message, { ...cause, param: 'model' });
  }
}
