/**
 * Values near a schema: made of its own names, constants and bounds, by choosing one way through its
 * alternatives and without regard to how keywords exclude each other. Some are valid, most nearly so.
 */
import { type Keywords, NAMES, NUMBERS, type Schema, TEXTS } from './random-schema.ts';

const DEPTH_MAX = 5;
/** Found by each format, or not. */
const FORMATTED = [
  ...['2024-02-29', '23:59:60Z', '10.0.0.255', '123e4567-e89b-12d3-a456-426614174000'],
  ...['a@b.example', 'urn:a:b', 'P1Y2DT3S', 'P'],
];
/** Of the patterns. */
const MATCHED = ['a', 'b', 'c', 'aab', 'abc', 'abab', '1', 'x-1', 'é', 'é1', 'a"b', '_', 'abcd'];

/** `random`: like Math.random, in [0, 1). */
export function nearValue(document: Keywords, random: () => number): unknown {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const isLucky = (chance: number) => random() < chance;

  function ofAll(schemas: readonly Schema[], depth: number): unknown {
    const parts = schemas.flatMap((one) => flatten(one, DEPTH_MAX));
    const given = parts.flatMap((part) => [
      ...('const' in part ? [part.const] : []),
      ...((part.enum as unknown[] | undefined) ?? []),
    ]);
    if (given.length > 0 && isLucky(0.8)) return pick(given);
    const types = parts.flatMap((part) => part.type ?? []) as string[];
    const hinted = parts.flatMap(hintsOf);
    const type =
      types.length > 0 && isLucky(0.9) ? pick(types) : pick(hinted.length > 0 ? hinted : ALL);
    if (depth >= DEPTH_MAX && (type === 'array' || type === 'object'))
      return type === 'array' ? [] : {};
    switch (type) {
      case 'null':
        return null;
      case 'boolean':
        return isLucky(0.5);
      case 'integer':
        return Math.round(numberOf(parts));
      case 'number':
        return numberOf(parts);
      case 'string':
        return pick(parts.some((part) => 'format' in part) ? FORMATTED : [...TEXTS, ...MATCHED]);
      case 'array':
        return arrayOf(parts, depth);
      default:
        return objectOf(parts, depth);
    }
  }

  /** What holds together on one way through the alternatives. */
  function flatten(schema: Schema, left: number): readonly Keywords[] {
    if (typeof schema === 'boolean' || left === 0) return [];
    const inner: Schema[] = [...((schema.allOf as Schema[] | undefined) ?? [])];
    for (const word of ['anyOf', 'oneOf'])
      if (word in schema) inner.push(pick(schema[word] as Schema[]));
    if ('if' in schema) {
      const [yes, no] = [schema.then, schema.else] as (Schema | undefined)[];
      if (isLucky(0.5)) inner.push(schema.if as Schema, yes ?? true);
      else inner.push(no ?? true);
    }
    if (typeof schema.not === 'object' && isLucky(0.2)) inner.push(schema.not as Keywords);
    if (isLucky(0.5)) {
      inner.push(...Object.values((schema.dependentSchemas as Record<string, Schema>) ?? {}));
    }
    if (typeof schema.$ref === 'string') {
      const defs = document.$defs as Record<string, Schema>;
      inner.push(schema.$ref === '#' ? document : defs[schema.$ref.slice('#/$defs/'.length)]!);
    }
    return [schema, ...inner.flatMap((one) => flatten(one, left - 1))];
  }

  function numberOf(parts: readonly Keywords[]): number {
    const bounds = parts.flatMap((part) =>
      ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].flatMap((word) =>
        word in part ? [part[word] as number] : [],
      ),
    );
    const steps = parts.flatMap((part) =>
      'multipleOf' in part ? [part.multipleOf as number] : [],
    );
    const near =
      bounds.length > 0 && isLucky(0.7) ? pick(bounds) + pick([0, 1, -1, 0.5, 2]) : pick(NUMBERS);
    const step = steps.length > 0 ? pick(steps) : 0;
    // A product of decimals that has few of them.
    const found = step > 0 ? Number((Math.round(near / step) * step).toFixed(2)) : near;
    return found === 0 ? 0 : found;
  }

  function arrayOf(parts: readonly Keywords[], depth: number): unknown[] {
    const limits = parts.flatMap((part) => [part.minItems, part.maxItems]) as (
      | number
      | undefined
    )[];
    const known = limits.filter((one) => one !== undefined);
    const length = known.length > 0 && isLucky(0.7) ? pick(known) : Math.floor(random() * 4);
    const counted = parts.flatMap((part) => ('contains' in part ? [part.contains as Schema] : []));
    return Array.from({ length: Math.min(length, 6) }, (_, index) => {
      const schemas = parts.flatMap((part): Schema[] => {
        const prefix = (part.prefixItems as Schema[] | undefined) ?? [];
        const rest = (part.items ?? part.unevaluatedItems) as Schema | undefined;
        return [prefix[index] ?? rest ?? true];
      });
      if (counted.length > 0 && isLucky(0.5)) schemas.push(pick(counted));
      return ofAll(schemas, depth + 1);
    });
  }

  function objectOf(parts: readonly Keywords[], depth: number): Record<string, unknown> {
    const listed = (word: string) =>
      parts.flatMap((part) => Object.keys((part[word] as Keywords | undefined) ?? {}));
    const required = parts.flatMap((part) => (part.required as string[] | undefined) ?? []);
    const declared = [
      ...listed('properties'),
      ...listed('dependentRequired'),
      ...listed('dependentSchemas'),
    ];
    const found = new Set(required.filter(() => isLucky(0.95)));
    for (const key of declared) if (isLucky(0.5)) found.add(key);
    for (let extra = Math.floor(random() * 3); extra > 0; extra--) found.add(pick(NAMES));
    for (const part of parts) {
      for (const [key, needed] of Object.entries(
        (part.dependentRequired as Record<string, string[]>) ?? {},
      )) {
        if (found.has(key) && isLucky(0.8)) for (const one of needed) found.add(one);
      }
    }
    return Object.fromEntries([...found].map((key) => [key, ofAll(under(key, parts), depth + 1)]));
  }

  function under(key: string, parts: readonly Keywords[]): Schema[] {
    return parts.flatMap((part): Schema[] => {
      const own = (part.properties as Record<string, Schema> | undefined) ?? {};
      const patterns = Object.entries((part.patternProperties as Record<string, Schema>) ?? {});
      const matched = patterns.filter(([pattern]) => new RegExp(pattern, 'u').test(key));
      const all = [
        ...(Object.hasOwn(own, key) ? [own[key]!] : []),
        ...matched.map(([, one]) => one),
      ];
      if (all.length > 0) return all;
      const rest = (part.additionalProperties ?? part.unevaluatedProperties) as Schema | undefined;
      return rest === undefined ? [] : [rest];
    });
  }

  return ofAll([document], 0);
}

const ALL = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
const HINTS: Readonly<Record<string, readonly string[]>> = {
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  array: ['items', 'prefixItems', 'contains', 'minItems', 'maxItems', 'unevaluatedItems'],
  object: [
    ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames'],
    ...['minProperties', 'maxProperties', 'dependentRequired', 'dependentSchemas'],
    'unevaluatedProperties',
  ],
};

function hintsOf(part: Keywords): readonly string[] {
  return Object.entries(HINTS).flatMap(([type, words]) =>
    words.some((word) => word in part) ? [type] : [],
  );
}
