/** The tables of keywords in `docs/structured-output.md`, between two marks: the prose around them is written by hand. */
import { readFileSync } from 'node:fs';

import {
  DESCRIBING,
  ENFORCED,
  type EnforcedKeyword,
  NAMING,
  REFUSALS,
  UNCHECKED,
} from '../src/schema/keywords.ts';

const FROM = '<!-- keywords: ';
const TO = '<!-- end of keywords -->';

export function structuredOutputPage(): string {
  const page = readFileSync(new URL('../docs/structured-output.md', import.meta.url), 'utf8');
  const from = page.indexOf('\n', page.indexOf(FROM));
  const to = page.indexOf(TO);
  if (page.indexOf(FROM) < 0 || to < from) {
    throw new Error(`docs/structured-output.md: expected "${FROM}…" and then "${TO}"`);
  }
  return `${page.slice(0, from)}\n\n${tables()}\n\n${page.slice(to)}`;
}

function tables(): string {
  const enforced: readonly (readonly [string, EnforcedKeyword])[] = Object.entries(ENFORCED);
  const groups = [...new Set(enforced.map(([, { group }]) => group))];
  const rows = groups.flatMap((group) =>
    enforced
      .filter(([, row]) => row.group === group)
      .map(([keyword, { note = '' }]) => `| \`${keyword}\` | ${group} | ${note} |`),
  );
  const refused = Object.values(REFUSALS).map(
    ({ keyword, what, why }) => `| \`${keyword}\` | ${what} | ${why} |`,
  );
  return [
    '| enforced | about | |',
    '|---|---|---|',
    ...rows,
    '',
    '| refused as | what | why |',
    '|---|---|---|',
    ...refused,
    '',
    '| annotation | |',
    '|---|---|',
    `| ${named(UNCHECKED)} | by their specification they describe |`,
    `| ${named(DESCRIBING)} | they describe |`,
    `| ${named(NAMING)} | they name things and constrain nothing by themselves |`,
    '| `format` with another name | listed by `hearth schema explain` |',
  ].join('\n');
}

function named(keywords: readonly string[]): string {
  return keywords.map((one) => `\`${one}\``).join(', ');
}
