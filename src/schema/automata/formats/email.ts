/**
 * Mail addresses, as a pattern: the `Mailbox` of RFC 5321, section 4.1.2, to which JSON Schema
 * refers. Addresses in brackets are IPv4 and IPv6: no other tag is registered.
 */
import { IPV4, ipv6Pattern } from './ip.ts';

const ATOM = "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~]+";
const QUOTED = '"(?:[ !#-\\[\\]-~]|\\\\[ -~])*"';
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?';
const LITERAL = `\\[(?:${IPV4}|[Ii][Pp][Vv]6:${ipv6Pattern(2)})\\]`;

export const EMAIL_PATTERN = `^(?:${ATOM}(?:\\.${ATOM})*|${QUOTED})@(?:${LABEL}(?:\\.${LABEL})*|${LITERAL})$`;
