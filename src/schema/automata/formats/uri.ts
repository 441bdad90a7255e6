/**
 * URIs, as a pattern: with a scheme, ASCII only. Exact.
 *
 * Source  RFC 3986, appendix A. A dotted quad is a `reg-name`, too, and needs no rule of its own.
 */
import { ipv6Pattern } from './ip.ts';

const PERCENT = '%[0-9A-Fa-f]{2}';
const PLAIN = "A-Za-z0-9\\-._~!$&'()*+,;=";
const SEGMENT_CHARACTER = `(?:[${PLAIN}:@]|${PERCENT})`;
const REST = `(?:/${SEGMENT_CHARACTER}*)*`;
const FUTURE = `[Vv][0-9A-Fa-f]+\\.[${PLAIN}:]+`;
const HOST = `(?:\\[(?:${ipv6Pattern(1)}|${FUTURE})\\]|(?:[${PLAIN}]|${PERCENT})*)`;
const AUTHORITY = `(?:(?:[${PLAIN}:]|${PERCENT})*@)?${HOST}(?::\\d*)?`;
const ROOTLESS = `${SEGMENT_CHARACTER}+${REST}`;
const HIERARCHY = `(?://${AUTHORITY}${REST}|/(?:${ROOTLESS})?|${ROOTLESS}|)`;
const TAIL = `(?:[${PLAIN}:@/?]|${PERCENT})*`;

export const URI_PATTERN = `^[A-Za-z][A-Za-z0-9+\\-.]*:${HIERARCHY}(?:\\?${TAIL})?(?:#${TAIL})?$`;
