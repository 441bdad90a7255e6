/**
 * A schema for a person who wrote it: is it enforced, and if not, what stands in the way; what of it is only an
 * annotation; how large it becomes; what its values look like.
 *
 * Errors  none for whatever the text says; anything thrown is a fault of ours.
 */
import type { Clock } from '../../core/clock.ts';
import type { ExamineLimits, Explained } from '../../ipc/compiler-protocol.ts';
import { annotationsOf } from '../../schema/annotations.ts';
import { draftOf } from '../../schema/document/dialect.ts';
import { Places } from '../../schema/document/places.ts';
import { drawSentence } from '../../schema/gbnf/draw.ts';
import { makeMatcher } from '../../schema/gbnf/match.ts';
import { parseGrammar } from '../../schema/gbnf/parse.ts';
import { seededRandom } from '../../schema/gbnf/seeded-random.ts';
import { UnsupportedSchema } from '../../schema/unsupported.ts';
import { compileAffordable } from './compile-job.ts';
import { BodyError, parseBody } from './json-body.ts';

interface Options {
  readonly limits: ExamineLimits;
  readonly examples: number;
}

/** For one example, beyond the shortest value that there is. */
const ROOM_CODE_POINTS = 200;
const LONGEST_CODE_POINTS = 4_000;
/** Values that are the same are drawn again, this often for each that is asked for. */
const DRAWS_EACH = 4;

export function explainSchema(bytes: Uint8Array, options: Options, clock: Clock): Explained {
  const { limits, examples } = options;
  let schema: unknown;
  try {
    schema = parseBody(bytes);
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return { schemaBytes: bytes.length, ms: 0, annotations: [], refused: whole(error.message) };
  }
  const schemaBytes = Buffer.byteLength(JSON.stringify(schema));
  if (schemaBytes > limits.maxSchemaBytes) {
    const why = `it has ${schemaBytes} bytes, of at most ${limits.maxSchemaBytes}`;
    return { schemaBytes, ms: 0, annotations: [], refused: whole(why) };
  }
  let known: Pick<Explained, 'draft' | 'depth' | 'annotations'> = { annotations: [] };
  const startedMs = clock.nowMs();
  try {
    known = { ...known, draft: draftOf(schema) };
    const places = new Places(schema, limits.maxDepth);
    known = { ...known, depth: places.depth, annotations: [...annotationsOf(places)] };
    const { grammar } = compileAffordable(schema, limits);
    const ms = clock.nowMs() - startedMs;
    const enforced = {
      grammar,
      grammarBytes: Buffer.byteLength(grammar),
      rules: grammar.match(/^[\w-]+ ::= /gm)?.length ?? 0,
      examples: draw(grammar, examples),
    };
    return { ...known, schemaBytes, ms, enforced };
  } catch (error) {
    if (!(error instanceof UnsupportedSchema)) throw error;
    const { keyword, pointer, why } = error;
    const ms = clock.nowMs() - startedMs;
    return { ...known, schemaBytes, ms, refused: { keyword, pointer, why } };
  }
}

function whole(why: string): Explained['refused'] {
  return { keyword: 'schema', pointer: '', why };
}

/** Always the same ones for the same grammar; fewer than `count` where it has fewer short values. */
function draw(grammar: string, count: number): string[] {
  const matcher = makeMatcher(parseGrammar(grammar));
  const { leastLength, root } = matcher.grammar;
  const maxCodePoints = 2 * leastLength[root]! + ROOM_CODE_POINTS;
  const found = new Set<string>();
  if (maxCodePoints > LONGEST_CODE_POINTS) return [];
  const random = seededRandom(1);
  for (let i = 0; i < DRAWS_EACH * count && found.size < count; i++) {
    const text = drawSentence(matcher, random, { maxCodePoints, isPlain: true });
    if (text !== undefined) found.add(text);
  }
  return [...found];
}
