/** `hearth models --disk`: what was pulled, what is half fetched, and how much room it takes. */
import { statfsSync } from 'node:fs';

import { listPartial, listPulled } from '../models/pull/pulled-models.ts';
import { showBytes } from '../models/pull/sizes.ts';
import { table } from './table.ts';

export function showDisk(modelsDir: string, isJson: boolean): number {
  const { models, problems } = listPulled(modelsDir);
  const partial = listPartial(modelsDir);
  const rows = models.map(({ manifest, bytes, path }) => {
    const { name, reference, revision, format, quant, licence, pulled_at } = manifest;
    return { name, format, quant, bytes, licence, reference, revision, pulled_at, path };
  });
  const bytes = [...rows, ...partial].reduce((sum, row) => sum + row.bytes, 0);
  const freeBytes = freeOf(modelsDir);
  if (isJson) {
    const parts = partial.map((one) => ({
      name: one.name,
      bytes: one.bytes,
      total_bytes: one.totalBytes,
    }));
    const facts = { models_dir: modelsDir, bytes, free_bytes: freeBytes ?? null };
    process.stdout.write(`${JSON.stringify({ ...facts, models: rows, partial: parts })}\n`);
    return 0;
  }
  for (const problem of problems) process.stderr.write(`hearth: ${problem}\n`);
  if (rows.length + partial.length > 0) {
    const cells = [
      ...rows.map((row) => [
        row.name,
        row.quant ?? row.format,
        showBytes(row.bytes),
        row.licence ?? '',
        row.pulled_at.slice(0, 10),
        row.reference,
      ]),
      ...partial.map((one) => [
        one.name,
        'partial',
        `${showBytes(one.bytes)} of ${showBytes(one.totalBytes)}`,
        '',
        '',
        '"hearth pull" goes on with it, "hearth rm" removes it',
      ]),
    ];
    process.stdout.write(table([['NAME', 'KIND', 'SIZE', 'LICENCE', 'PULLED', 'FROM'], ...cells]));
  }
  const free = freeBytes === undefined ? '' : `, ${showBytes(freeBytes)} free`;
  process.stdout.write(`${showBytes(bytes)} in ${modelsDir}${free}\n`);
  return 0;
}

/** Undefined where there is no such folder yet. */
function freeOf(dir: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
