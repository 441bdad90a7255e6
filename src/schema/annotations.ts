/**
 * What stands in a schema and constrains nothing: formats outside the ten, keywords of another draft, those that
 * say nothing without another one, and names that no draft knows. Titles and the like are left out.
 *
 * Shapes  one entry for each kind, with the first place of it and how many there are.
 */
import { suggest } from '../core/suggest.ts';
import { FORMATS, isFormatName } from './automata/formats.ts';
import type { Spelling } from './document/dialect.ts';
import { type Places, shown } from './document/places.ts';
import {
  DESCRIBING,
  DYNAMIC_REFERENCES,
  ENFORCED,
  type EnforcedKeyword,
  NAMING,
  UNCHECKED,
} from './keywords.ts';

export interface Annotation {
  readonly keyword: string;
  readonly why: string;
  readonly pointer: string;
  readonly count: number;
}

type Keywords = Readonly<Record<string, unknown>>;

/** Who has more of them has no need of a list. */
const KINDS_MAX = 100;
const SILENT = new Set([...NAMING, ...DESCRIBING, ...DYNAMIC_REFERENCES]);

export function annotationsOf({ all, spelling }: Places): readonly Annotation[] {
  const found = new Map<string, Annotation>();
  for (const { schema, pointer } of all) {
    if (typeof schema === 'boolean') continue;
    for (const keyword of Object.keys(schema)) {
      const why = whyIdle(keyword, schema, spelling);
      if (why === undefined) continue;
      const key = `${keyword}\0${why}`;
      const known = found.get(key);
      if (known === undefined && found.size >= KINDS_MAX) continue;
      found.set(key, {
        keyword,
        why,
        pointer: known?.pointer ?? pointer,
        count: (known?.count ?? 0) + 1,
      });
    }
  }
  return [...found.values()];
}

function whyIdle(keyword: string, schema: Keywords, spelling: Spelling): string | undefined {
  if (SILENT.has(keyword)) return undefined;
  if (UNCHECKED.includes(keyword)) return 'it describes and does not constrain, in every draft';
  const row: EnforcedKeyword | undefined = Object.hasOwn(ENFORCED, keyword)
    ? ENFORCED[keyword as keyof typeof ENFORCED]
    : undefined;
  if (row === undefined) return unknown(keyword);
  if (spelling.isRefAlone && '$ref' in schema && keyword !== '$ref') {
    return 'what stands beside `$ref` is ignored up to draft 7';
  }
  if (row.readIf !== undefined && !spelling[row.readIf]) return 'this draft does not have it';
  if (row.beside !== undefined && !(row.beside in schema)) {
    return `it says nothing without \`${row.beside}\``;
  }
  if (keyword === 'additionalItems' && !Array.isArray(schema.items)) {
    return 'it says nothing without a list under `items`';
  }
  if (keyword === 'format' && typeof schema.format === 'string' && !isFormatName(schema.format)) {
    return `${shown(schema.format)} is none of the ${FORMATS.length} formats that are enforced`;
  }
  return undefined;
}

function unknown(keyword: string): string {
  const meant = suggest(keyword, Object.keys(ENFORCED));
  return `no draft knows it${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}
