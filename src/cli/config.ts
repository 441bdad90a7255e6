/** `hearth config show | check | init`. */
import { existsSync, writeFileSync } from 'node:fs';

import { exampleToml } from '../config/document.ts';
import { showSource } from '../config/layers.ts';
import { type CliContext, CliError } from './context.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';

/** One line for each key: value, and where it came from. */
export function showConfig(flags: ConfigFlags & { json?: boolean }, context: CliContext): number {
  const { settings, file, tier } = readConfig(flags, context);
  if (flags.json) {
    const values = settings.map(({ path, value, source }) => ({
      key: path,
      value,
      source: showSource(source),
    }));
    process.stdout.write(`${JSON.stringify({ file: file ?? null, tier, settings: values })}\n`);
    return 0;
  }
  const rows = settings.map(({ path, value, source }) => {
    return { key: path, value: JSON.stringify(value), from: showSource(source) };
  });
  const keyWidth = Math.max(...rows.map(({ key }) => key.length));
  const valueWidth = Math.min(40, Math.max(...rows.map(({ value }) => value.length)));
  process.stdout.write(`# file: ${file ?? 'none'}\n# tier: ${tier}\n`);
  for (const { key, value, from } of rows) {
    process.stdout.write(`${key.padEnd(keyWidth)} = ${value.padEnd(valueWidth)}  # ${from}\n`);
  }
  return 0;
}

export function checkConfig(flags: ConfigFlags, context: CliContext): number {
  const { settings, file } = readConfig(flags, context);
  const own = settings.filter(
    ({ source: { kind } }) => kind !== 'default' && kind !== 'tier',
  ).length;
  process.stdout.write(`${file ?? 'no file'}: good, ${own} of ${settings.length} values set\n`);
  return 0;
}

export function initConfig(file: string): number {
  if (existsSync(file)) {
    throw new CliError(`${file} is there already. Remove it first, or name another file.`);
  }
  try {
    writeFileSync(file, exampleToml(), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`cannot write ${file}: ${why}`, { cause: error });
  }
  process.stdout.write(
    `wrote ${file}: every key with its default. Check it with "hearth config check".\n`,
  );
  return 0;
}
