/**
 * What kind of place an address is, so that a hub that is out there cannot send us to something in here.
 *
 * Source  IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6890. IPv4 inside IPv6 (mapped, NAT64,
 *         6to4) counts as what it holds.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export type AddressKind =
  | 'public'
  | 'loopback'
  /** Of a home or company. */
  | 'private'
  /** This link alone; clouds keep machines' credentials here. */
  | 'link-local'
  /** No machine at all: multicast, documentation, reserved. */
  | 'special';

type Row = readonly [address: string, bits: number];

const V4: readonly (readonly [AddressKind, readonly Row[]])[] = [
  ['loopback', [['127.0.0.0', 8]]],
  [
    'private',
    [
      ['10.0.0.0', 8],
      ['100.64.0.0', 10],
      ['172.16.0.0', 12],
      ['192.168.0.0', 16],
    ],
  ],
  ['link-local', [['169.254.0.0', 16]]],
  [
    'special',
    [
      ['0.0.0.0', 8],
      ['192.0.0.0', 24],
      ['192.0.2.0', 24],
      ['198.18.0.0', 15],
      ['198.51.100.0', 24],
      ['203.0.113.0', 24],
      ['224.0.0.0', 4],
      ['240.0.0.0', 4],
    ],
  ],
];

const V6: readonly (readonly [AddressKind, readonly Row[]])[] = [
  ['loopback', [['::1', 128]]],
  [
    'private',
    [
      ['fc00::', 7],
      ['fec0::', 10],
    ],
  ],
  ['link-local', [['fe80::', 10]]],
  [
    'special',
    [
      ['::', 96],
      ['64:ff9b:1::', 48],
      ['100::', 64],
      ['2001::', 23],
      ['2001:db8::', 32],
      ['3fff::', 20],
      ['5f00::', 16],
      ['ff00::', 8],
    ],
  ],
];

const LISTS_V4 = makeLists(V4, 'ipv4');
const LISTS_V6 = makeLists(V6, 'ipv6');

/** Undefined for what is no IP address, such as a name. */
export function kindOfAddress(address: string): AddressKind | undefined {
  if (isIPv4(address)) return look(LISTS_V4, address, 'ipv4');
  // The zone says which link, and nothing about the kind.
  const plain = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return undefined;
  const inside = embeddedV4(plain);
  return inside === undefined ? look(LISTS_V6, plain, 'ipv6') : look(LISTS_V4, inside, 'ipv4');
}

/** Of ::ffff:0:0/96, 64:ff9b::/96 and 2002::/16. */
function embeddedV4(address: string): string | undefined {
  const words = wordsOf(address);
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  const isNat64 =
    words[0] === 0x64 && words[1] === 0xff9b && words.slice(2, 6).every((word) => word === 0);
  if (isMapped || isNat64) return toV4(words[6]!, words[7]!);
  return words[0] === 0x2002 ? toV4(words[1]!, words[2]!) : undefined;
}

function toV4(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** Eight numbers; the URL parser writes an IPv6 address in its one short form. */
function wordsOf(address: string): readonly number[] {
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const parse = (part: string) =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  if (tail === undefined) return parse(head);
  const [before, after] = [parse(head), parse(tail)];
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...gap, ...after];
}

type Lists = readonly (readonly [AddressKind, BlockList])[];

function makeLists(rows: typeof V4, family: 'ipv4' | 'ipv6'): Lists {
  return rows.map(([kind, subnets]) => {
    const list = new BlockList();
    for (const [address, bits] of subnets) list.addSubnet(address, bits, family);
    return [kind, list] as const;
  });
}

function look(lists: Lists, address: string, family: 'ipv4' | 'ipv6'): AddressKind {
  return lists.find(([, list]) => list.check(address, family))?.[0] ?? 'public';
}
