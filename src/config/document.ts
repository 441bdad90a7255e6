/**
 * What is written about the configuration, made from the schema so that it cannot differ from it:
 * the example file, its JSON schema for editors, the page in the documentation.
 * `npm run generate` writes them; a test fails when the committed files are others.
 */
import * as z from 'zod';

import { ALIASES } from './aliases.ts';
import { type Key, listKeys, sectionDescription } from './keys.ts';
import { FileSchema, SECTIONS } from './schema.ts';
import { defaultsOf, showByTier, TIERS_GB } from './tiers.ts';

const WIDTH = 96;
/** The example's machine. */
const SHOWN_TIER = defaultsOf(32, 32e9);

/** Every key with its default, all commented out: what stands there holds anyway. */
export function exampleToml(): string {
  const lines = [
    ...comment(
      'Configuration of Hearth. Every key, with its default. Keys that are commented out hold as they stand; those whose default is by tier stand as on a machine of 32 GB.',
    ),
    ...comment(
      'Searched for as ./hearth.toml, then in the configuration folder of the platform; `hearth serve --config FILE` names another. A variable HEARTH_SECTION_KEY goes over the file, a flag over both.',
    ),
    '# "hearth config check" checks it, "hearth config show" prints what holds and why.',
  ];
  const keys = listKeys();
  for (const section of Object.keys(SECTIONS)) {
    lines.push('', ...comment(sectionDescription(section)), `[${section}]`);
    for (const key of keys.filter((one) => one.section === section)) lines.push(...keyLines(key));
  }
  lines.push('', ...comment(sectionDescription('models')), '#[models.small]');
  for (const key of keys.filter((one) => one.section === 'models.NAME')) {
    lines.push(...keyLines(key));
  }
  lines.push('#[models.small.defaults]');
  for (const key of keys.filter((one) => one.section === 'models.NAME.defaults')) {
    lines.push(...keyLines(key));
  }
  lines.push('', ...comment(sectionDescription('keys')), '#[[keys]]');
  for (const key of keys.filter((one) => one.section === 'keys')) lines.push(...keyLines(key));
  return `${lines.join('\n')}\n`;
}

/** For editors: completion and checking of `hearth.toml`. */
export function jsonSchema(): string {
  const schema = z.toJSONSchema(FileSchema, { io: 'input', target: 'draft-7' });
  return `${JSON.stringify({ title: 'hearth.toml', ...schema }, undefined, 2)}\n`;
}

export function configurationPage(): string {
  const keys = listKeys();
  const sections = [...Object.keys(SECTIONS), 'models.NAME', 'models.NAME.defaults', 'keys'];
  const tables = sections.map((section) => {
    const rows = keys
      .filter((key) => key.section === section)
      .map((key) => {
        const cells = [`\`${key.key}\``, key.expected, defaultText(key), key.description];
        return `| ${cells.map(cell).join(' | ')} |`;
      });
    const head = ['| key | value | default | |', '|---|---|---|---|'];
    const text = sectionDescription(section.split('.')[0] ?? section);
    const isSampling = section === 'models.NAME.defaults';
    const title = section === 'keys' ? '[[keys]]' : `[${section}]`;
    const after = section === 'tier' ? ['', ...tierTable()] : [];
    const before = isSampling ? [] : [text, ''];
    return [`## \`${title}\``, '', ...before, ...head, ...rows, ...after].join('\n');
  });
  return `${[PAGE_HEAD, ...tables, aliasSection()].join('\n\n')}\n`;
}

const PAGE_HEAD = `# Configuration

Generated from \`src/config/schema.ts\` by \`npm run generate\`; do not edit.

A value is taken from the first of these that has it:

1. a flag of \`hearth serve\`: \`--host\`, \`--port\`, \`--admin-port\`, \`--state-dir\`, \`--slots\`, \`--context-tokens\`, \`--model\`
2. a variable \`HEARTH_SECTION_KEY\`, such as \`HEARTH_LIMITS_QUEUE_DEPTH_MAX=200\`; lists are separated by commas
3. a short variable from the table at the end
4. \`hearth.toml\`: the file that \`--config\` names, else \`./hearth.toml\`, else the one in the platform's configuration folder (\`~/.config/hearth\`, on macOS \`~/Library/Application Support/Hearth\`)
5. the tier of the machine, for the keys whose default is by tier
6. the default

\`hearth config show\` prints every value and where it came from, \`hearth config check\` checks them,
\`hearth config init\` writes a file with every key. Unknown keys are errors. Units stand in the names.`;

function tierTable(): readonly string[] {
  const rows = [...SHOWN_TIER.keys()].map((key) => {
    return `| \`${key}\` | ${showByTier(key)} |`;
  });
  return [`| key | in the tiers ${TIERS_GB.join(', ')} |`, '|---|---|', ...rows];
}

function aliasSection(): string {
  const rows = ALIASES.map(({ name, key, missing, subfolder }) => {
    const folder = subfolder === undefined ? '' : ` (the folder \`${subfolder}\` in it)`;
    return `| \`${name}\` | ${key === undefined ? `refused: ${missing}` : `\`${key}\`${folder}`} |`;
  });
  return [
    '## Short variables',
    '',
    'Names of the MLX server that Hearth replaces (`MLX_…`, times in seconds), the same with',
    '`HEARTH_`, and a few of our own. One that is refused may be set to `0`, `false` or nothing.',
    '',
    '| variable | sets |',
    '|---|---|',
    ...rows,
  ].join('\n');
}

function keyLines(key: Key): readonly string[] {
  const value = key.byDefault === undefined ? example(key) : toToml(key.byDefault);
  return [...comment(`${key.description} (${key.expected})`), `#${key.key} = ${value}`];
}

/** Something to write where there is no default that holds everywhere. */
function example({ key, kinds, path }: Key): string {
  const byTier = SHOWN_TIER.get(path);
  if (byTier !== undefined) return String(byTier);
  if (path === 'models.NAME.path') return '"models/small.gguf"';
  if (path === 'keys.name') return '"laptop"';
  if (path === 'keys.sha256') return JSON.stringify('0'.repeat(64));
  if (path === 'keys.expires_at') return '2027-01-31';
  if (key === 'state_dir') return '"~/.local/state/hearth"';
  if (key === 'models_dir') return '"~/.cache/hearth/models"';
  if (key === 'backend') return '"llama-cpp"';
  if (key === 'gpu') return '"auto"';
  if (kinds.has('boolean')) return 'false';
  if (kinds.has('number')) return NEUTRAL_NUMBERS[key] ?? '1';
  return '""';
}

const NEUTRAL_NUMBERS: Readonly<Record<string, string>> = {
  slots: '4',
  high_spare: '1',
  tokens_per_minute: '100000',
  tokens_per_day: '1000000',
  requests_per_minute: '60',
  burst: '10',
  concurrency_max: '2',
  queue_depth_warn: '50',
  keep_alive_s: '600',
  memory_budget_bytes: '17179869184',
  all_requests_per_minute: '600',
  all_tokens_per_minute: '1000000',
  aged_after_high_s: '2',
  aged_after_normal_s: '10',
  aged_after_low_s: '30',
  context_tokens: '8192',
  top_k: '0',
  min_p: '0',
  frequency_penalty: '0',
  presence_penalty: '0',
};

function defaultText({ byDefault, isRequired, path }: Key): string {
  if (SHOWN_TIER.has(path)) return 'by tier';
  if (byDefault !== undefined) return `\`${toToml(byDefault)}\``;
  return isRequired ? 'required' : '–';
}

/** TOML writes strings, numbers, booleans and lists of strings as JSON does. */
function toToml(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(toToml).join(', ')}]` : JSON.stringify(value);
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function comment(text: string): readonly string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
