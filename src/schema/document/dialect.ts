/**
 * Which draft a schema is written in, and what differs between them as far as we read it.
 *
 * A document without `$schema` is read as 2020-12 with the spellings of the older drafts beside it, because
 * most schemas that people send carry none and are of every age.
 *
 * Errors  UnsupportedSchema for a `$schema` that names no draft we know.
 */
import { UnsupportedSchema } from '../unsupported.ts';

export type Draft = '4' | '6' | '7' | '2019-09' | '2020-12' | 'unnamed';

const DRAFTS: Readonly<Record<string, Draft>> = {
  'json-schema.org/draft-04/schema': '4',
  'json-schema.org/draft-06/schema': '6',
  'json-schema.org/draft-07/schema': '7',
  'json-schema.org/schema': 'unnamed',
  'json-schema.org/draft/2019-09/schema': '2019-09',
  'json-schema.org/draft/2020-12/schema': '2020-12',
};

export function draftOf(root: unknown): Draft {
  if (typeof root !== 'object' || root === null || !('$schema' in root)) return 'unnamed';
  const named = root.$schema;
  if (typeof named === 'string') {
    const draft = DRAFTS[named.replace(/^https?:\/\//, '').replace(/#$/, '')];
    if (draft !== undefined) return draft;
  }
  throw new UnsupportedSchema(
    '$schema',
    '',
    `${JSON.stringify(named)?.slice(0, 200)} is no draft that is known: name draft 4, 6, 7, 2019-09 or 2020-12, or leave it out`,
  );
}

/** What a draft reads. `unnamed` reads the old spellings beside the new ones. */
export interface Spelling {
  /** `id` names a base instead of `$id`. */
  readonly hasPlainId: boolean;
  readonly hasDollarId: boolean;
  readonly hasAnchors: boolean;
  /** Everything beside `$ref` is ignored. */
  readonly isRefAlone: boolean;
  /** A list under `items`, and `additionalItems`. */
  readonly hasItemLists: boolean;
  readonly hasPrefixItems: boolean;
  readonly hasDependencies: boolean;
  /** `dependentRequired`, `dependentSchemas`, `minContains`, `maxContains`, `unevaluated…`. */
  readonly has2019: boolean;
  /** `const`, `contains`, `propertyNames`, boolean schemas, numbers as exclusive bounds. */
  readonly has6: boolean;
  /** `if`, `then`, `else`. */
  readonly has7: boolean;
  /** `true` beside `minimum` makes it exclusive. */
  readonly hasBooleanBounds: boolean;
}

const NUMBER: Readonly<Record<Draft, number>> = {
  '4': 4,
  '6': 6,
  '7': 7,
  '2019-09': 8,
  '2020-12': 9,
  unnamed: 9,
};

export function spellingOf(draft: Draft): Spelling {
  const number = NUMBER[draft];
  const isOpen = draft === 'unnamed';
  return {
    hasPlainId: number === 4 || isOpen,
    hasDollarId: number >= 6,
    hasAnchors: number >= 8,
    isRefAlone: number <= 7,
    hasItemLists: number <= 8 || isOpen,
    hasPrefixItems: number >= 9,
    hasDependencies: number <= 7 || isOpen,
    has2019: number >= 8,
    has6: number >= 6,
    has7: number >= 7,
    hasBooleanBounds: number === 4 || isOpen,
  };
}
