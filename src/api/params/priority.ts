/** The class of a request: header X-Priority, then the body field `priority`, then normal. */
import { RequestError } from '../../core/errors.ts';
import { DEFAULT_PRIORITY, type Priority, parsePriority } from '../../core/priority.ts';

/** Both are checked, also where the header wins: a wrong value is never passed over. */
export function toPriority(
  header: string | undefined,
  field: unknown,
): { readonly priority: Priority; readonly isConflict: boolean } {
  const fromHeader = header === undefined ? undefined : checked(header, 'X-Priority');
  const fromBody = field === undefined || field === null ? undefined : checked(field, 'priority');
  return {
    priority: fromHeader ?? fromBody ?? DEFAULT_PRIORITY,
    isConflict: fromHeader !== undefined && fromBody !== undefined && fromHeader !== fromBody,
  };
}

function checked(value: unknown, param: string): Priority {
  const priority = parsePriority(value);
  if (priority !== undefined) return priority;
  throw new RequestError(
    'invalid_priority',
    `\`${param}\`: expected high, normal, low, 0, 1 or 2`,
    { param },
  );
}
