/**
 * IP addresses, as patterns.
 *
 * Source  RFC 2673, section 3.2 (dotted quads), RFC 4291, section 2.2; RFC 3986, section 3.2.2, for
 *         octets without leading zeros; RFC 5321, section 4.1.3, for the addresses in mail.
 */
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const GROUP = '[0-9A-Fa-f]{1,4}';

export const IPV4 = `(?:${OCTET}\\.){3}${OCTET}`;

/** `::` stands for `elided` groups or more: 1 in general, 2 in mail. */
export function ipv6Pattern(elided: 1 | 2): string {
  const full = `(?:${GROUP}:){7}${GROUP}|(?:${GROUP}:){6}${IPV4}`;
  const shortened: string[] = [];
  for (let before = 0; before <= 8 - elided; before++) {
    const head = before === 0 ? '' : `(?:${GROUP}:){${before - 1}}${GROUP}`;
    const groups = 8 - elided - before;
    const tails = groups === 0 ? [] : [`(?:${GROUP}:){0,${groups - 1}}${GROUP}`];
    if (groups >= 2) tails.push(`(?:${GROUP}:){0,${groups - 2}}${IPV4}`);
    shortened.push(`${head}::(?:${[...tails, ''].join('|')})`);
  }
  return `(?:${[full, ...shortened].join('|')})`;
}

export const IPV4_PATTERN = `^${IPV4}$`;
export const IPV6_PATTERN = `^${ipv6Pattern(1)}$`;
