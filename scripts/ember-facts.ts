/**
 * `ember/facts.json`: what Ember says about this server, out of the code that makes it true. The
 * embedded model carries the hash of this file; when it changes, the model has to be trained again.
 *
 * Errors  Error, for a command, route or parameter that Ember names and that does not exist any more.
 */

import { openapiDocument } from '../src/api/openapi-document.ts';
import { ChatBody } from '../src/api/params/chat.ts';
import { platformFolders } from '../src/cli/paths.ts';
import { commandNames } from '../src/cli/program.ts';
import { listKeys } from '../src/config/keys.ts';
import { DEFAULT_PRIORITY, PRIORITIES } from '../src/core/priority.ts';

const ROUTES = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  models: '/v1/models',
  health: '/health',
  ready: '/ready',
  metrics: '/metrics',
} as const;

const COMMANDS = [
  'bench',
  'chat',
  'config init',
  'doctor',
  'key add',
  'load',
  'log level',
  'models',
  'ps',
  'pull',
  'reload',
  'rm',
  'serve',
  'unload',
] as const;

const PARAMETERS = ['max_tokens', 'seed', 'stop', 'stream', 'temperature'] as const;

/** Commands are only named here, never run. */
const NOWHERE = {
  environment: {},
  folders: platformFolders({}, { platform: 'linux', workDir: '/', cloneDir: undefined }),
  memoryBytes: 0,
};

export function emberFacts(): string {
  const { paths } = openapiDocument() as { readonly paths: Readonly<Record<string, unknown>> };
  const facts = {
    port: defaultOf('port'),
    admin_port: defaultOf('admin_port'),
    config_file: 'hearth.toml',
    priority_header: 'X-Priority',
    priorities: PRIORITIES,
    default_priority: DEFAULT_PRIORITY,
    routes: existing('route', ROUTES, Object.keys(paths)),
    commands: existing('command', COMMANDS, commandNames(NOWHERE)),
    parameters: existing('parameter', PARAMETERS, Object.keys(ChatBody.shape)),
  };
  return `${JSON.stringify(facts, undefined, 2)}\n`;
}

function defaultOf(name: string): unknown {
  const key = listKeys().find((one) => one.path === `server.${name}`);
  if (key?.byDefault === undefined) throw new Error(`[server] ${name} has no default any more`);
  return key.byDefault;
}

/** `named`, once it is certain that all of it exists. */
function existing<T extends Readonly<Record<string, string>> | readonly string[]>(
  what: string,
  named: T,
  real: readonly string[],
): T {
  const gone = Object.values(named).filter((name) => !real.includes(name));
  if (gone.length > 0)
    throw new Error(`Ember speaks of a ${what} that is gone: ${gone.join(', ')}`);
  return named;
}
