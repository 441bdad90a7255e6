/** What a client is told about a constraint that is not enforced. */
import { CapacityError, RequestError } from '../../core/errors.ts';

const POINTER_SHOWN_MAX = 200;
const BUSY_RETRY_MS = 1_000;

export interface Refusal {
  readonly keyword: string;
  readonly pointer: string;
  readonly why: string;
}

export function unsupported(param: string, { keyword, pointer, why }: Refusal): RequestError {
  const place = pointer === '' ? 'the root' : pointer.slice(0, POINTER_SHOWN_MAX);
  return new RequestError(
    'unsupported_schema',
    `\`${param}\` cannot be enforced: \`${keyword}\` at ${place}: ${why}`,
    { param, detail: { keyword, pointer, why } },
  );
}

export function unreadable(param: string, why: string): RequestError {
  return new RequestError('invalid_value', `\`${param}\`: ${why}`, { param });
}

export function tooLarge(param: string, maxBytes: number): RequestError {
  return unsupported(param, {
    keyword: param,
    pointer: '',
    why: `more than ${maxBytes} bytes; send less, or raise \`[limits] schema_max_bytes\``,
  });
}

export function overBudget(param: string, keyword: string): RequestError {
  const why = 'budget: it takes more time or memory than a schema may; make it smaller';
  return unsupported(param, { keyword, pointer: '', why });
}

export function busy(waiting: number): CapacityError {
  const message = `${waiting} constraints wait to be compiled; try again in a moment`;
  return new CapacityError('queue_full', message, { retryAfterMs: BUSY_RETRY_MS });
}
