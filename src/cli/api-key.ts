/**
 * The key that our own clients send. From the environment alone: what stands in a command line can be
 * read by every process of the machine.
 */
import { API_KEY_VARIABLE } from '../config/aliases.ts';
import type { Environment } from './environment.ts';

/** Headers of a request, empty where no key is set. */
export function keyHeaders(environment: Environment): Readonly<Record<string, string>> {
  const key = environment[API_KEY_VARIABLE];
  return key ? { authorization: `Bearer ${key}` } : {};
}
