/** Nothing is left to choose from: the end of one call, and of no other in its step. */
import type { Sampling } from '../../../core/engine.ts';
import { BugError, type HearthError, RequestError } from '../../../core/errors.ts';

export function noToken(
  { logitBias }: Pick<Sampling, 'logitBias'>,
  isBound: boolean,
  cause?: unknown,
): HearthError {
  if (!isBound) return new BugError('The sampler found no token that it may choose', { cause });
  if (logitBias.length > 0) {
    const message =
      'logit_bias bans every token with which the answer could go on as response_format asks. Ban fewer tokens.';
    return new RequestError('invalid_value', message, { param: 'logit_bias', cause });
  }
  const message =
    'The vocabulary of this model cannot write what response_format asks for. Change the schema, or choose another model.';
  return new RequestError('unsupported_parameter', message, { param: 'response_format', cause });
}
