/**
 * Reads the import lines of TypeScript sources and says which of them the house does not allow.
 *
 * A scanner, not a compiler: comments and the contents of strings and templates are blanked first,
 * so that prose which quotes an import is not taken for one. What it must see are `import … from`,
 * `export … from`, `import 'x'`, `import('x')` and `new URL('x', import.meta.url)`.
 *
 * Shapes  a source is `{ path, text }`, the path relative to `src/`, with forward slashes.
 * Errors  none thrown: every finding is one line, `path:line: what, and what to do`.
 */
import { posix } from 'node:path';

export interface Source {
  readonly path: string;
  readonly text: string;
}

export interface ImportLine {
  readonly specifier: string;
  readonly line: number;
  /** `import type` and `export type`: gone when the program runs. */
  readonly isType: boolean;
}

/** Who may import whom. A folder may always import itself; `types` may be imported as types only. */
export interface Arrows {
  readonly [folder: string]: {
    readonly values: readonly string[] | 'everything';
    readonly types?: readonly string[];
  };
}

interface Scanned {
  /** The text with comments and string contents as blanks; same length, same line breaks. */
  readonly code: string;
  /** The text with comments as blanks; strings stand. */
  readonly strings: string;
}

const FROM = /\b(?:import|export)(?<type>\s+type)?\b(?<clause>[^'";]*?)\bfrom\s*(?<quote>['"])/g;
const BARE = /\bimport\s*(?<quote>['"])/g;
const DYNAMIC = /\bimport\s*\(\s*(?<quote>['"`])/g;
const URLS = /\bnew\s+URL\s*\(\s*(?<quote>['"`])/g;

export function parseImports(text: string): readonly ImportLine[] {
  const { code, strings } = scan(text);
  const found: ImportLine[] = [];
  for (const pattern of [FROM, BARE, DYNAMIC, URLS]) {
    for (const match of code.matchAll(pattern)) {
      const start = match.index + match[0].length;
      const quote = match.groups!.quote!;
      const specifier = strings.slice(start, strings.indexOf(quote, start));
      if (
        pattern === URLS &&
        !/^\s*,\s*import\.meta\.url/.test(code.slice(start + specifier.length + 1))
      ) {
        continue;
      }
      found.push({
        specifier,
        line: code.slice(0, match.index).split('\n').length,
        isType: match.groups!.type !== undefined,
      });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

/** Every line that breaks the table, uses what only `cli` may use, or leaves out `.ts`. */
export function findBreaches(sources: readonly Source[], arrows: Arrows): readonly string[] {
  const paths = new Set(sources.map((source) => source.path));
  return sources.flatMap((source) => [
    ...importBreaches(source, paths, arrows),
    ...cliOnlyBreaches(source),
  ]);
}

function importBreaches(
  { path, text }: Source,
  paths: ReadonlySet<string>,
  arrows: Arrows,
): readonly string[] {
  const folder = folderOf(path);
  const allowed = arrows[folder];
  if (allowed === undefined) {
    return [
      `${path}:1: the folder "${folder}" is not in the table of arrows; add it there or move the file`,
    ];
  }
  const breaches: string[] = [];
  for (const { specifier, line, isType } of parseImports(text)) {
    if (!specifier.startsWith('.')) continue;
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    const at = `${path}:${line}:`;
    // A template such as `./x${extension}` or a folder: the entry helper, checked where it runs.
    if (specifier.includes('${') || specifier.endsWith('/')) continue;
    if (target.startsWith('..')) continue; // package.json and the like
    if (!paths.has(target) && /(^|\/)[^.]+$|\.js$/.test(target)) {
      breaches.push(`${at} "${specifier}" has no ".ts" ending; name the file as it is`);
      continue;
    }
    const to = folderOf(target);
    if (to === folder || allowed.values === 'everything' || allowed.values.includes(to)) continue;
    if (isType && allowed.types?.includes(to)) continue;
    const which = allowed.types?.includes(to) ? `values of ${to}, only its types` : to;
    breaches.push(`${at} ${folder} may not import ${which} ("${specifier}")`);
  }
  return breaches;
}

function cliOnlyBreaches({ path, text }: Source): readonly string[] {
  if (folderOf(path) === 'cli') return [];
  const breaches: string[] = [];
  for (const [index, line] of scan(text).code.split('\n').entries()) {
    for (const word of [/\bprocess\s*\.\s*env\b/, /\bconsole\s*\.\s*\w+\s*\(/]) {
      const hit = word.exec(line);
      if (hit)
        breaches.push(
          `${path}:${index + 1}: ${hit[0]} belongs in src/cli; have the value handed down`,
        );
    }
  }
  return breaches;
}

/** Files that import each other in a ring, each ring once, as `a.ts → b.ts → a.ts`. */
export function findCycles(sources: readonly Source[]): readonly string[] {
  const paths = new Set(sources.map((source) => source.path));
  const edges = new Map<string, readonly string[]>();
  for (const { path, text } of sources) {
    const targets = parseImports(text)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier }) => posix.normalize(posix.join(posix.dirname(path), specifier)))
      .filter((target) => paths.has(target) && target !== path);
    edges.set(path, [...new Set(targets)]);
  }

  const cycles: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  for (const path of paths) visit(path);
  return cycles;

  function visit(path: string): void {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) {
      cycles.push([...trail.slice(seenAt), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const target of edges.get(path) ?? []) visit(target);
    trail.pop();
    done.add(path);
  }
}

function folderOf(path: string): string {
  return path.split('/')[0]!;
}

function scan(text: string): Scanned {
  const code = text.split('');
  const strings = text.split('');
  const blank = (from: number, to: number, ...targets: string[][]) => {
    for (let i = from; i < to; i += 1) {
      if (text[i] !== '\n') for (const target of targets) target[i] = ' ';
    }
  };
  let i = 0;
  while (i < text.length) {
    const rest = text.slice(i, i + 2);
    if (rest === '//' || rest === '/*') {
      const end = rest === '//' ? text.indexOf('\n', i) : text.indexOf('*/', i + 2) + 2;
      const stop = end < i + 2 ? text.length : end;
      blank(i, stop, code, strings);
      i = stop;
    } else if (text[i] === '/' && isRegexStart(code, i)) {
      const stop = endOfRegex(text, i);
      blank(i + 1, stop - 1, code, strings);
      i = stop;
    } else if (text[i] === "'" || text[i] === '"' || text[i] === '`') {
      const stop = endOfString(text, i);
      blank(i + 1, stop - 1, code);
      i = stop;
    } else {
      i += 1;
    }
  }
  return { code: code.join(''), strings: strings.join('') };
}

/** A slash begins a regular expression where a value may begin. */
function isRegexStart(code: readonly string[], at: number): boolean {
  let i = at - 1;
  while (i >= 0 && /\s/.test(code[i]!)) i -= 1;
  return (
    i < 0 || /[(,=:[!&|?{};+]/.test(code[i]!) || /\breturn$/.test(code.slice(i - 6, i + 1).join(''))
  );
}

function endOfRegex(text: string, at: number): number {
  let inClass = false;
  for (let i = at + 1; i < text.length && text[i] !== '\n'; i += 1) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '[') inClass = true;
    else if (text[i] === ']') inClass = false;
    else if (text[i] === '/' && !inClass) return i + 1;
  }
  return at + 1;
}

/** Templates are taken whole, with what stands in their holes: no import statement can hide there. */
function endOfString(text: string, at: number): number {
  const quote = text[at]!;
  for (let i = at + 1; i < text.length; i += 1) {
    if (text[i] === '\\') i += 1;
    else if (quote === '`' && text.startsWith('${', i)) i = endOfHole(text, i);
    else if (text[i] === quote) return i + 1;
    else if (text[i] === '\n' && quote !== '`') return i;
  }
  return text.length;
}

function endOfHole(text: string, at: number): number {
  let depth = 0;
  for (let i = at + 1; i < text.length; i += 1) {
    const char = text[i]!;
    if (char === '{') depth += 1;
    else if (char === '}') {
      depth -= 1;
      if (depth === 0) return i;
    } else if (char === "'" || char === '"' || char === '`') i = endOfString(text, i) - 1;
  }
  return text.length;
}
