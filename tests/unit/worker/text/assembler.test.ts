import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { TextAssembler } from '../../../../src/worker/text/assembler.ts';

const encoder = new TextEncoder();

function assemble(pieces: readonly Uint8Array[], stops: readonly string[]) {
  const assembler = new TextAssembler(stops);
  const texts: string[] = [];
  let stop: string | undefined;
  for (const piece of pieces) {
    const settled = assembler.push(piece);
    texts.push(settled.text);
    stop ??= settled.stop;
  }
  texts.push(assembler.flush());
  return { text: texts.join(''), stop, texts };
}

/** The whole text at once: the stop that is complete first, the longer one of two. */
function reference(bytes: Uint8Array, stops: readonly string[]) {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  let best: { start: number; end: number; stop: string } | undefined;
  for (const stop of stops) {
    const start = text.indexOf(stop);
    if (stop === '' || start < 0) continue;
    const end = start + stop.length;
    const isBetter = !best || end < best.end || (end === best.end && start < best.start);
    if (isBetter) best = { start, end, stop };
  }
  return best ? { text: text.slice(0, best.start), stop: best.stop } : { text, stop: undefined };
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
}

// Few characters, so that stops appear, overlap and nearly appear; all four UTF-8 lengths.
const letters = fc.constantFrom('a', 'b', 'ä', '字', '😀', '\n', '\uFEFF');
const text = fc.array(letters, { maxLength: 40 }).map((all) => all.join(''));
const stops = fc.array(
  fc.array(letters, { minLength: 1, maxLength: 5 }).map((all) => all.join('')),
  { maxLength: 4 },
);
const cuts = fc.array(fc.nat(200), { maxLength: 30 });

describe('TextAssembler', () => {
  it('gives the same as the whole text at once, at any token borders', () => {
    fc.assert(
      fc.property(text, stops, cuts, (answer, strings, at) => {
        const bytes = encoder.encode(answer);
        const { text: got, stop } = assemble(split(bytes, at), strings);
        expect({ text: got, stop }).toEqual(reference(bytes, strings));
      }),
      { numRuns: 2000 },
    );
  });

  it('replaces what is no UTF-8 as the WHATWG decoder does, at any borders', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .array(fc.constantFrom(0xf0, 0x9f, 0x98, 0x80, 0xe5, 0xad, 0xc3, 0xa4, 0x61, 0xff), {
          maxLength: 40,
        })
        .map((all) => Uint8Array.from(all)),
    );
    fc.assert(
      fc.property(noise, cuts, (bytes, at) => {
        expect(assemble(split(bytes, at), []).text).toBe(reference(bytes, []).text);
      }),
      { numRuns: 2000 },
    );
  });

  it('never gives out half a character', () => {
    fc.assert(
      fc.property(text, stops, cuts, (answer, strings, at) => {
        const { texts } = assemble(split(encoder.encode(answer), at), strings);
        expect(texts.every((piece) => piece.isWellFormed())).toBe(true);
      }),
    );
  });

  it('holds back what may become a stop string and gives it out once it cannot', () => {
    const assembler = new TextAssembler(['</end>']);
    expect(assembler.push(encoder.encode('one</e'))).toEqual({ text: 'one' });
    expect(assembler.push(encoder.encode('lse'))).toEqual({ text: '</else' });
    expect(assembler.push(encoder.encode('<</en'))).toEqual({ text: '<' });
    expect(assembler.push(encoder.encode('d>never'))).toEqual({ text: '', stop: '</end>' });
    expect(assembler.push(encoder.encode('seen'))).toEqual({ text: '' });
    expect(assembler.flush()).toBe('');
  });

  it('ends at the stop that is complete first', () => {
    expect(assemble([encoder.encode('abcd')], ['abcd', 'bc'])).toMatchObject({
      text: 'a',
      stop: 'bc',
    });
    expect(assemble([encoder.encode('abcd')], ['cd', 'bcd'])).toMatchObject({
      text: 'a',
      stop: 'bcd',
    });
  });

  it('stays linear on a stop string that nearly matches all the time', () => {
    const assembler = new TextAssembler([`${'a'.repeat(20_000)}b`]);
    let length = 0;
    for (let index = 0; index < 40_000; index++) {
      length += assembler.push(encoder.encode('a')).text.length;
    }
    expect(length + assembler.flush().length).toBe(40_000);
  }, 5_000);
});
