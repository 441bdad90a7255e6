/** The three classes a request can be of. Source: rows MX-009 (levels, header, default). */

export const PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];
export const DEFAULT_PRIORITY: Priority = 'normal';

/** One value for each class. */
export function byPriority<T>(value: (priority: Priority) => T): Record<Priority, T> {
  return { high: value('high'), normal: value('normal'), low: value('low') };
}

/** The lower of two classes. */
export function atMost(priority: Priority, max: Priority): Priority {
  return PRIORITIES.indexOf(priority) < PRIORITIES.indexOf(max) ? max : priority;
}

/** Reads `high|normal|low` in any case, or `0|1|2` as text or number. Undefined when it is neither. */
export function parsePriority(value: unknown): Priority | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = String(value).trim().toLowerCase();
  const byName = PRIORITIES.find((name) => name === text);
  if (byName !== undefined) return byName;
  return /^[012]$/.test(text) ? PRIORITIES[Number(text)] : undefined;
}
