/** The controls of a server that has them: one that is part of another command has none. */
import type { Controls } from '../core/controls.ts';
import { RequestError } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';

export function controlsOf({ deps: { controls } }: Exchange): Controls {
  if (controls === undefined) {
    throw new RequestError('not_found', 'This server is part of a command; its settings stay');
  }
  return controls;
}
