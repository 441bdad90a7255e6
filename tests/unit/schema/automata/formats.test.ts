import { isIPv4, isIPv6 } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { accepts } from '../../../../src/schema/automata/dfa.ts';
import {
  FORMATS,
  type FormatName,
  formatDfa,
  isFormatName,
} from '../../../../src/schema/automata/formats.ts';
import { maxLength } from '../../../../src/schema/automata/lengths.ts';
import { sample } from '../../../../src/schema/automata/sample.ts';

const long = (length: number): string => 'a'.repeat(length);

const EXAMPLES: Record<
  FormatName,
  readonly [inside: readonly string[], outside: readonly string[]]
> = {
  date: [
    ['2024-02-29', '2000-02-29', '0001-01-01', '1999-12-31'],
    [
      '2023-02-29',
      '1900-02-29',
      '2024-04-31',
      '2024-13-01',
      '2024-00-01',
      '2024-1-01',
      '24-01-01',
      '2024-01-01\n',
      '+2024-01-01',
      '२024-01-01',
    ],
  ],
  time: [
    [
      '23:59:59Z',
      '00:00:00z',
      '12:30:15.250+05:30',
      '23:59:60Z',
      '23:59:60.5-00:00',
      '01:02:03-00:00',
    ],
    [
      '24:00:00Z',
      '12:60:00Z',
      '12:00:61Z',
      '22:59:60Z',
      '23:58:60Z',
      '23:59:60+01:00',
      '12:00:00',
      '12:00Z',
      '12:00:00.Z',
      '12:00:00+24:00',
      '12:00:00+1:00',
      '12:00:00 Z',
    ],
  ],
  'date-time': [
    ['2024-02-29T12:00:00Z', '1985-04-12t23:20:50.52z', '2016-12-31T23:59:60Z'],
    [
      '2023-02-29T12:00:00Z',
      '2024-02-29 12:00:00Z',
      '2024-02-29T12:00:00',
      '2024-02-29',
      '2024-02-29T24:00:00Z',
    ],
  ],
  duration: [
    ['P1Y', 'P1Y2M3DT4H5M6S', 'PT36H', 'P3W', 'P1MT1M', 'P01D'],
    ['P', 'PT', 'P1YT', 'P1W1D', 'P1Y1D', 'PT1H1S', 'P1S', 'P-1D', 'PT0.5S', '1D', 'p1d'],
  ],
  email: [
    [
      'a@b',
      "o'neil+x@mail.example.org",
      '"a b@\\"c"@x.y',
      '""@x',
      'a@[10.0.0.255]',
      'a@[IPv6:2001:db8::1]',
      'a@[ipv6:::]',
      'a@[IPv6:1:2:3:4:5:6:7:8]',
    ],
    [
      'a',
      '@b',
      'a@',
      '.a@b',
      'a.@b',
      'a..b@c',
      'a b@c',
      'a@-b',
      'a@b-',
      'a@b_c',
      'a@[256.0.0.1]',
      'a@[IPv6:1:2:3:4:5:6:7::]',
      'a@[::1]',
      'é@b',
      'a@b.',
      '"a"b"@c',
    ],
  ],
  hostname: [
    [
      'a',
      'example.com',
      '1-2.3',
      'a--b.c',
      `${long(63)}.com`,
      `${long(63)}.${long(63)}.${long(63)}.b`,
      'a.b.c.d.e.f.g.h',
      'ABC.de',
    ],
    [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      '-a',
      'a-',
      'a_b',
      'é',
      `${long(64)}.com`,
      `${long(63)}.${long(63)}.${long(63)}.${long(62)}`,
      'xn--x',
      'a.ab--c',
      'a b',
    ],
  ],
  ipv4: [
    ['0.0.0.0', '255.255.255.255', '10.20.30.40', '249.199.99.9'],
    ['256.0.0.1', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.4 ', '1.2.3.', '0x1.2.3.4', '1.2.3.4/8'],
  ],
  ipv6: [
    [
      '::',
      '::1',
      '1::',
      '1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:7::',
      '::2:3:4:5:6:7:8',
      '1::8',
      'AbCd::ef01',
      '::1.2.3.4',
      '1:2:3:4:5:6:1.2.3.4',
      '1:2:3:4:5::1.2.3.4',
      '::1:2:3:4:5:1.2.3.4',
    ],
    [
      '',
      ':',
      '1',
      ':::',
      '1::2::3',
      '12345::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8::',
      '1:2:3:4:5:6:7:1.2.3.4',
      '::1:2:3:4:5:6:1.2.3.4',
      '1:2:3:4:5:6::1.2.3.4',
      'g::',
      '::1%eth0',
      '[::1]',
      '::1/64',
      '::256.0.0.1',
      ':1::',
      '1:',
    ],
  ],
  uri: [
    [
      'http://a',
      'a:',
      'urn:x:y',
      'mailto:a@b',
      'http://u:p@h:80/p/a?q=1#f',
      'file:///etc',
      'x:/',
      'x://',
      'http://[::1]:8/',
      'http://[v7.a:b]',
      'a+-.1:b',
      'http://%41/%20',
    ],
    [
      '',
      'a',
      '//a',
      '/a',
      ':a',
      '1a:b',
      'http://a b',
      'http://a/%4',
      'http://[::1',
      'http://a:b',
      'a:b#c#d',
      'a:[',
      'a:é',
      'a:b\\c',
      'http://[1.2.3.4]',
      'a_b:c',
    ],
  ],
  uuid: [
    [
      '123e4567-e89b-12d3-a456-426614174000',
      '00000000-0000-0000-0000-000000000000',
      'ABCDEFAB-cdef-ABCD-efab-CDEFABCDEFAB',
    ],
    [
      '',
      '123e4567e89b12d3a456426614174000',
      '123e4567-e89b-12d3-a456-42661417400',
      '123e4567-e89b-12d3-a456-42661417400g',
      '{123e4567-e89b-12d3-a456-426614174000}',
    ],
  ],
};

describe('a format', () => {
  it.each(FORMATS)('%s accepts what is valid and nothing else', (name) => {
    const dfa = formatDfa(name);
    const [inside, outside] = EXAMPLES[name];
    expect(inside.filter((text) => !accepts(dfa, text))).toEqual([]);
    expect(outside.filter((text) => accepts(dfa, text))).toEqual([]);
  });

  it('is one of ten', () => {
    expect(FORMATS).toHaveLength(10);
    expect([isFormatName('date'), isFormatName('iri'), isFormatName('toString')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('date knows every day of the calendar', () => {
    const dfa = formatDfa('date');
    fc.assert(
      fc.property(fc.nat(9999), fc.nat(13), fc.nat(32), (year, month, day) => {
        const pad = (value: number, width: number) => String(value).padStart(width, '0');
        const date = new Date(Date.UTC(2000, month - 1, day));
        date.setUTCFullYear(year, month - 1, day);
        const isDay =
          date.getUTCFullYear() === year &&
          date.getUTCMonth() === month - 1 &&
          date.getUTCDate() === day;
        expect(accepts(dfa, `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`)).toBe(isDay);
      }),
      { numRuns: 500 },
    );
  });

  it('date has a 29 February in leap years only', () => {
    const dfa = formatDfa('date');
    for (let year = 0; year <= 9999; year++) {
      const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
      const text = `${String(year).padStart(4, '0')}-02-29`;
      if (accepts(dfa, text) !== isLeap) expect.fail(text);
    }
  });

  const random = fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true }));
  const addresses = fc.array(
    fc.constantFrom(':', ':', '::', '1', 'af09', '12345', '.', '255', '1.2.3.4', '256'),
    {
      maxLength: 16,
    },
  );

  it('ipv4 and ipv6 agree with Node', () => {
    fc.assert(
      fc.property(addresses, random, (all, stream) => {
        const text = all.join('');
        expect([text, accepts(formatDfa('ipv4'), text)]).toEqual([text, isIPv4(text)]);
        expect([text, accepts(formatDfa('ipv6'), text)]).toEqual([text, isIPv6(text)]);
        expect(isIPv6(sample(formatDfa('ipv6'), () => stream.next().value)!)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('hostname is never longer than the domain name system allows', () => {
    expect(maxLength(formatDfa('hostname'))).toBe(253);
  });
});
