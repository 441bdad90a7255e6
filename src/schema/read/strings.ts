/** The keywords about strings. */
import { UNENFORCED_FORMATS } from '../automata/formats.ts';
import type { Place } from '../document/places.ts';
import type { Sets } from '../ir/sets.ts';
import { formatStrings, lengthStrings, matchingStrings, type StringSet } from '../ir/strings.ts';
import type { Term } from '../ir/term.ts';
import { EVERYTHING } from '../ir/whole.ts';
import { UnsupportedSchema } from '../unsupported.ts';
import { count, text } from './expect.ts';

export function readStrings(place: Place, sets: Sets): readonly Term[] {
  const found: StringSet[] = [];
  const min = count(place, 'minLength') ?? 0;
  const max = count(place, 'maxLength') ?? Number.POSITIVE_INFINITY;
  if (min > 0 || Number.isFinite(max)) found.push(lengthStrings(min, max));
  const pattern = text(place, 'pattern');
  if (pattern !== undefined) {
    found.push(patternStrings(pattern, { keyword: 'pattern', pointer: place.pointer }));
  }
  const format = text(place, 'format');
  const unenforced = format === undefined ? undefined : UNENFORCED_FORMATS.get(format);
  if (unenforced !== undefined) {
    throw new UnsupportedSchema(
      'format',
      place.pointer,
      `"${format}" is not enforced: ${unenforced}`,
    );
  }
  const formatted = format === undefined ? undefined : formatStrings(format);
  if (formatted !== undefined) found.push(formatted);
  return found.map((strings) => sets.of({ ...EVERYTHING, strings }));
}

export function patternStrings(
  pattern: string,
  { keyword, pointer }: { readonly keyword: string; readonly pointer: string },
): StringSet {
  try {
    return matchingStrings(pattern);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UnsupportedSchema(keyword, pointer, error.message);
  }
}
