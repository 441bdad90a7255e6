/**
 * Dates, times and durations, as patterns.
 *
 * A date is exact: 29 February only in leap years. A leap second is `23:59:60` in UTC, spelled with
 * `Z` or a zero offset; the same moment in another offset (`15:59:60-08:00`) is valid, too, and left
 * out: to know it, the automaton would have to remember the hour and minute up to the offset.
 *
 * Source  RFC 3339, section 5.6 and appendix A.
 */
const DATE =
  '(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))' +
  '|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)';

const HOUR = '(?:[01]\\d|2[0-3])';
const MINUTE = '[0-5]\\d';
const FRACTION = '(?:\\.\\d+)?';
const TIME =
  `(?:${HOUR}:${MINUTE}:[0-5]\\d${FRACTION}(?:[Zz]|[+-]${HOUR}:${MINUTE})` +
  `|23:59:60${FRACTION}(?:[Zz]|[+-]00:00))`;

const DAYS = '\\d+D';
const MONTHS = `\\d+M(?:${DAYS})?`;
const YEARS = `\\d+Y(?:${MONTHS})?`;
const SECONDS = '\\d+S';
const MINUTES = `\\d+M(?:${SECONDS})?`;
const HOURS = `\\d+H(?:${MINUTES})?`;
const CLOCK = `T(?:${HOURS}|${MINUTES}|${SECONDS})`;

export const DATE_PATTERN = `^${DATE}$`;
export const TIME_PATTERN = `^${TIME}$`;
export const DATE_TIME_PATTERN = `^${DATE}[Tt]${TIME}$`;
export const DURATION_PATTERN = `^P(?:(?:${DAYS}|${MONTHS}|${YEARS})(?:${CLOCK})?|${CLOCK}|\\d+W)$`;
