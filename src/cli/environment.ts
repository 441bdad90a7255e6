/**
 * The environment: the only place that reads `process.env`. Everything else gets it as a value.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

export function readEnvironment(): Environment {
  return { ...process.env };
}

export interface HubSettings {
  readonly endpoint: URL;
  readonly token: string | undefined;
  /** Those of the variables below that are set. */
  readonly proxyEnvironment: Readonly<Record<string, string>>;
  /** Nobody is to be asked. */
  readonly isOffline: boolean;
}

const PROXY_VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

const HUB = 'https://huggingface.co';

/**
 * Where models are pulled from, in the variables that the hub's own programs read. Throws an Error that
 * names the variable, never the token.
 */
export function hubSettings(environment: Environment): HubSettings {
  const text = environment.HF_ENDPOINT || HUB;
  const endpoint = URL.parse(text);
  const isWeb = endpoint?.protocol === 'https:' || endpoint?.protocol === 'http:';
  if (endpoint === null || !isWeb || endpoint.username !== '' || endpoint.search !== '') {
    throw new Error('HF_ENDPOINT is no address of a hub. Write it as https://huggingface.co');
  }
  const token = environment.HF_TOKEN?.trim() || undefined;
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new Error('HF_TOKEN holds characters that no token has. Copy it again');
  }
  const isOffline = /^(1|true|yes|on)$/i.test(environment.HF_HUB_OFFLINE ?? '');
  const proxies = PROXY_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value ? [[name, value] as const] : [];
  });
  return { endpoint, token, isOffline, proxyEnvironment: Object.fromEntries(proxies) };
}

/**
 * What a worker needs of ours and nothing more: no key or token of the user's shell reaches the
 * process that parses model files. The second line is what GPU libraries look for.
 */
const HANDED_DOWN = [
  ...['PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_ALL', 'TZ'],
  ...['LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'CUDA_HOME', 'VK_ICD_FILENAMES'],
] as const;

export function workerEnvironment(
  environment: Environment,
  /** Where the worker's Node keeps compiled code. */
  compileCacheDir: string | undefined,
): Readonly<Record<string, string>> {
  const handed = HANDED_DOWN.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(handed),
    ...(compileCacheDir === undefined ? {} : { NODE_COMPILE_CACHE: compileCacheDir }),
  };
}
