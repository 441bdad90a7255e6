/**
 * Keys and variables that Hearth will have and does not have yet. They are refused by name: a key
 * that is accepted and does nothing would be a promise broken in silence. An entry leaves this
 * table with the commit that builds its part.
 */

/** Path in the file → what is missing. A `*` stands for one name. */
const KEYS: Readonly<Record<string, string>> = {
  telemetry: 'OpenTelemetry export',
  pools: 'tool workers',
  'server.use_stdio': 'the stdio transport to workers',
  'log.dir': 'logging to files; Hearth logs to stderr, send that to a file',
};

/** What is missing for this key, or undefined when it is simply unknown. */
export function notBuilt(path: string): string | undefined {
  for (const [pattern, missing] of Object.entries(KEYS)) {
    const source = pattern.replaceAll('.', '\\.').replaceAll('*', '.+');
    if (new RegExp(`^${source}$`).test(path)) return missing;
  }
  return undefined;
}
