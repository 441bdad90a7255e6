/**
 * The ten formats that are enforced, as automata; any other `format` is an annotation.
 *
 * What an automaton accepts is always valid. Two leave out what is valid and rare: `hostname` and
 * the leap seconds of `time` and `date-time`; their files say what. An automaton is built when it
 * is first asked for and kept: ten at most.
 */
import type { Dfa } from './dfa.ts';
import { EMAIL_PATTERN } from './formats/email.ts';
import { hostnameDfa } from './formats/hostname.ts';
import { IPV4_PATTERN, IPV6_PATTERN } from './formats/ip.ts';
import { DATE_PATTERN, DATE_TIME_PATTERN, DURATION_PATTERN, TIME_PATTERN } from './formats/time.ts';
import { URI_PATTERN } from './formats/uri.ts';
import { parseRegex, regexDfa } from './regex.ts';

/** RFC 9562, without regard to versions and variants, in either case. */
const UUID_PATTERN = '^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$';

const SOURCES = {
  date: DATE_PATTERN,
  time: TIME_PATTERN,
  'date-time': DATE_TIME_PATTERN,
  duration: DURATION_PATTERN,
  email: EMAIL_PATTERN,
  hostname: hostnameDfa,
  ipv4: IPV4_PATTERN,
  ipv6: IPV6_PATTERN,
  uri: URI_PATTERN,
  uuid: UUID_PATTERN,
} as const satisfies Record<string, string | (() => Dfa)>;

export type FormatName = keyof typeof SOURCES;
export const FORMATS = Object.keys(SOURCES) as readonly FormatName[];

/**
 * Formats of the specification that are not enforced, and why: a schema that asks for one is refused, since
 * whoever names a format of the specification expects it to hold.
 */
export const UNENFORCED_FORMATS: ReadonlyMap<string, string> = new Map([
  ['regex', 'the texts that are regular expressions are no regular set'],
  ...[
    ...['iri', 'iri-reference', 'uri-reference', 'uri-template', 'idn-email', 'idn-hostname'],
    ...['json-pointer', 'relative-json-pointer'],
  ].map((name) => [name, 'it is not built; write it as a `pattern`'] as const),
]);

const built = new Map<FormatName, Dfa>();

export function isFormatName(name: string): name is FormatName {
  return Object.hasOwn(SOURCES, name);
}

export function formatDfa(name: FormatName): Dfa {
  let dfa = built.get(name);
  if (dfa === undefined) {
    const source = SOURCES[name];
    dfa = typeof source === 'string' ? regexDfa(parseRegex(source)) : source();
    built.set(name, dfa);
  }
  return dfa;
}
