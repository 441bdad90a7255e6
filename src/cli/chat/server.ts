/** The server a chat talks to: the one at `--url`, the one that runs, or one of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ModelInfo } from '../../core/engine.ts';
import { silentLog } from '../../core/log.ts';
import { keyHeaders } from '../api-key.ts';
import { type CliContext, CliError } from '../context.ts';
import { startLoadBar } from '../load-bar.ts';
import { Progress } from '../progress.ts';
import { type ConfigFlags, readConfig } from '../read-config.ts';
import { findServer, urlOf } from '../running-server.ts';
import { servedModels } from '../served-models.ts';
import { startServer } from '../start-server.ts';
import { ChatError, listModels } from './client.ts';

export interface ServerFlags extends ConfigFlags {
  readonly url?: string;
  readonly model?: readonly string[];
}

export interface ChatServer {
  /** Without the `/v1`. */
  readonly baseUrl: string;
  /** The default one first. */
  readonly models: readonly string[];
  close(): Promise<void>;
}

interface Surroundings {
  readonly context: CliContext;
  readonly signal: AbortSignal;
}

export async function openServer(flags: ServerFlags, around: Surroundings): Promise<ChatServer> {
  const { config } = readConfig(flags, around.context);
  // Models that were asked for by file are served by nobody yet.
  const running =
    flags.url === undefined && flags.model === undefined
      ? await findServer(config.server.hosts, config.server.port)
      : flags.url?.replace(/\/(v1\/?)?$/, '');
  if (running !== undefined) return connect(running, around);

  const models = servedModels(config, flags.model, around.context);
  const loaded = Promise.withResolvers<void>();
  // Ports and state of its own, so that it never is in the way of a real server; and no keys.
  const stateDir = mkdtempSync(join(tmpdir(), 'hearth-chat-'));
  const server = await startServer({
    config: {
      ...config,
      server: { ...config.server, hosts: ['127.0.0.1'], port: 0, adminPort: 0 },
      paths: { ...config.paths, stateDir },
      keys: [],
    },
    models,
    context: around.context,
    log: silentLog,
    onModel: (model) => settle(model, loaded),
  });
  const [host = '127.0.0.1'] = server.hosts;
  const chat: ChatServer = {
    baseUrl: urlOf({ host, port: server.port }),
    models: models.map(({ name }) => name),
    close: async () => {
      await server.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  const progress = new Progress(process.stderr);
  using _bar = process.stderr.isTTY ? startLoadBar(server.engine, progress) : undefined;
  const onStop = () => loaded.reject(new CliError('stopped while the model was being loaded'));
  around.signal.addEventListener('abort', onStop, { once: true });
  try {
    await loaded.promise;
    return chat;
  } catch (error) {
    await chat.close();
    throw error;
  } finally {
    around.signal.removeEventListener('abort', onStop);
  }
}

function settle(model: ModelInfo, loaded: PromiseWithResolvers<void>): void {
  // One that is not loaded is loaded by the first message, which also hears why it cannot be.
  if (model.state === 'ready' || model.state === 'unloaded') loaded.resolve();
  if (model.state === 'failed') {
    loaded.reject(
      new CliError(`${model.name} cannot be loaded: ${model.reason ?? 'no reason known'}`),
    );
  }
}

async function connect(baseUrl: string, { context, signal }: Surroundings): Promise<ChatServer> {
  try {
    const headers = keyHeaders(context.environment);
    const models = await listModels({ baseUrl, headers, signal });
    return { baseUrl, models, close: async () => {} };
  } catch (error) {
    if (error instanceof ChatError) throw error;
    throw new CliError(`no server answers at ${baseUrl}. Start one with "hearth serve".`, {
      cause: error,
    });
  }
}
