/**
 * `hearth schema explain`: what becomes of one schema, for the person who wrote it.
 *
 * Exits  0 it is enforced · 1 it is refused, or cannot be read.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import type { Explained } from '../../ipc/compiler-protocol.ts';
import { type CliContext, CliError } from '../context.ts';
import { type ConfigFlags, readConfig } from '../read-config.ts';
import { table } from '../table.ts';
import { LINE_MAX_BYTES } from './check.ts';
import { examineLimits, howItEnded, openChildren } from './children.ts';
import type { SchemaLimits } from './options.ts';

export interface ExplainFlags extends ConfigFlags {
  readonly timeoutMs: number;
  readonly memoryMb: number;
  /** As the configuration has them, if absent. */
  readonly maxBytes?: number;
  readonly maxDepth?: number;
  readonly examples: number;
  readonly grammar?: boolean;
  readonly json?: boolean;
}

const SHOWN_ANNOTATIONS = 20;
const DRAFTS: Readonly<Record<string, string>> = {
  unnamed: '2020-12 with the spellings of the older drafts, because it names none',
};

export async function explainSchemas(
  file: string,
  flags: ExplainFlags,
  context: CliContext,
): Promise<number> {
  const { limits: configured } = readConfig(flags, context).config;
  const limits: SchemaLimits = {
    timeoutMs: flags.timeoutMs,
    memoryMb: flags.memoryMb,
    maxBytes: flags.maxBytes ?? configured.schemaMaxBytes,
    maxDepth: flags.maxDepth ?? configured.schemaMaxDepth,
  };
  const explained = await explainIn(await readSchema(file), limits, flags, context);
  if (flags.json) {
    const { enforced, ...rest } = explained;
    const { grammar, ...shown } = enforced ?? {};
    const own = enforced === undefined ? undefined : flags.grammar ? enforced : shown;
    process.stdout.write(`${JSON.stringify({ ...rest, enforced: own })}\n`);
  } else {
    process.stdout.write(forPeople(explained, flags.grammar === true));
  }
  return explained.refused === undefined ? 0 : 1;
}

async function explainIn(
  schema: Uint8Array,
  limits: SchemaLimits,
  { examples }: ExplainFlags,
  context: CliContext,
): Promise<Explained> {
  await using children = openChildren(limits, 1, context);
  const job = { type: 'explain', limits: examineLimits(limits), examples } as const;
  const end = await children.run(job, schema);
  if (end.type === 'explained') {
    const { call: _call, type: _type, ...explained } = end;
    return explained;
  }
  if (end.type === 'late') {
    const why = `it took more than ${limits.timeoutMs} ms`;
    const refused = { keyword: 'schema', pointer: '', why };
    return { schemaBytes: schema.length, ms: limits.timeoutMs, annotations: [], refused };
  }
  throw new CliError(`the compiler ended: ${howItEnded(end)}`);
}

async function readSchema(file: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = file === '-' ? Buffer.from(await text(process.stdin)) : await readFile(file);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    const why = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new CliError(`cannot read ${file}: ${why}`, { cause: error });
  }
  if (bytes.length <= LINE_MAX_BYTES) return bytes;
  throw new CliError(`${file} has ${bytes.length} bytes, of at most ${LINE_MAX_BYTES}`);
}

function forPeople(explained: Explained, hasGrammar: boolean): string {
  const { draft, schemaBytes, depth, ms, enforced, refused, annotations } = explained;
  const rows: [string, string][] = [];
  if (refused !== undefined) {
    rows.push(['refused', refused.why], ['keyword', refused.keyword]);
    rows.push(['where', refused.pointer === '' ? 'the root' : refused.pointer]);
  } else rows.push(['enforced', `compiled in ${Math.round(ms)} ms`]);
  if (draft !== undefined) rows.push(['draft', DRAFTS[draft] ?? draft]);
  const nested = depth === undefined ? '' : `, ${depth} schemas inside of each other`;
  rows.push(['schema', `${schemaBytes} bytes${nested}`]);
  if (enforced !== undefined) {
    rows.push(['grammar', `${enforced.grammarBytes} bytes, ${enforced.rules} rules`]);
    for (const [index, example] of enforced.examples.entries()) {
      rows.push([index === 0 ? 'such as' : '', example]);
    }
  }
  const [head, ...rest] = rows;
  const parts = [table([head!, ...rest])];
  if (annotations.length > 0)
    parts.push('\nNot enforced, annotations only:\n', ofAnnotations(annotations));
  if (hasGrammar && enforced !== undefined) parts.push('\n', enforced.grammar);
  return parts.join('');
}

function ofAnnotations(annotations: Explained['annotations']): string {
  const rows = annotations
    .slice(0, SHOWN_ANNOTATIONS)
    .map(({ keyword, why, pointer, count }) => [
      `  ${keyword}`,
      `${pointer === '' ? 'the root' : pointer}${count > 1 ? ` and ${count - 1} more` : ''}`,
      why,
    ]);
  const more = annotations.length - SHOWN_ANNOTATIONS;
  return table(rows) + (more > 0 ? `  and ${more} more kinds; --json has them\n` : '');
}
