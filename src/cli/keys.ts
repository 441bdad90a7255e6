/**
 * `hearth key add | list | revoke | usage`: the keys in the state folder. A running server notices at
 * once what is added, and within a second what is revoked.
 *
 * The secret is printed once, alone on stdout, so that a script can take it; all else goes to stderr.
 */
import { type Key, listKeys } from '../config/keys.ts';
import { KeySection } from '../config/schema.ts';
import { type Config, toApiKey } from '../config/settings.ts';
import type { ApiKey } from '../core/gate.ts';
import { KeyFile } from '../keys/key-file.ts';
import type { DayUsage, KeyStore } from '../keys/key-store.ts';
import { hashOf, makeSecret } from '../keys/secret.ts';
import { DAY_MS, dayOf } from '../keys/usage-log.ts';
import { type CliContext, CliError } from './context.ts';
import { ensureStateDir } from './paths.ts';
import { type ConfigFlags, readConfig } from './read-config.ts';
import { table } from './table.ts';

interface JsonFlag {
  readonly json?: boolean;
}

export interface AddFlags extends ConfigFlags, JsonFlag {
  readonly priorityMax?: string;
  readonly requestsPerMinute?: string;
  readonly burst?: string;
  readonly tokensPerMinute?: string;
  readonly tokensPerDay?: string;
  readonly concurrencyMax?: string;
  readonly model?: readonly string[];
  readonly expires?: string;
  readonly admin?: boolean;
}

const HOUR_MS = 3_600_000;
const UNITS_MS: Readonly<Record<string, number>> = { h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS };
const USAGE_DAYS = 7;

export function addKey(name: string, flags: AddFlags, context: CliContext): number {
  const { config } = readConfig(flags, context);
  const nowMs = Date.now();
  const secret = makeSecret();
  const key = parseKey(name, hashOf(secret).toString('hex'), flags, nowMs);
  if (key.expiresMs !== undefined && key.expiresMs <= nowMs) {
    throw new CliError(`--expires ${flags.expires} has passed. Name a time that is to come.`);
  }
  assertNotConfigured(config, name);
  ensureStateDir(config.paths.stateDir);
  using file = new KeyFile(config.paths.stateDir);
  const store = file.make();
  const wasOpen = config.keys.length === 0 && store.keys().length === 0;
  if (!store.add({ ...key, createdMs: nowMs })) {
    throw new CliError(
      `there is a key ${name} already. Choose another name, or remove it with "hearth key revoke ${name} --forget".`,
    );
  }
  if (flags.json) print({ key: secret, ...describe({ ...key, createdMs: nowMs }) });
  else {
    process.stdout.write(`${secret}\n`);
    process.stderr.write(
      `key ${name} added. It is shown this once and stored nowhere: keep it now.\n`,
    );
  }
  if (wasOpen) process.stderr.write('From now on the server answers nobody without a key.\n');
  return 0;
}

export function listApiKeys(flags: ConfigFlags & JsonFlag, context: CliContext): number {
  const { config } = readConfig(flags, context);
  using file = new KeyFile(config.paths.stateDir);
  const stored = file.store?.keys() ?? [];
  const rows = [
    ...config.keys.map((key) => ({ ...describe(key), source: 'configuration' })),
    ...stored.map((key) => ({ ...describe(key), source: 'hearth key' })),
  ];
  if (flags.json) {
    print({ keys: rows });
    return 0;
  }
  if (rows.length === 0) {
    process.stdout.write(
      'no keys: on loopback everybody is answered; "hearth key add NAME" makes one\n',
    );
    return 0;
  }
  const head = ['NAME', 'STATE', 'PRIORITY', 'LIMITS', 'MODELS', 'EXPIRES', 'FROM'];
  const cells = rows.map((row) => [
    row.name,
    row.state,
    `≤ ${row.priority_max}`,
    limitsText(row),
    row.models.join(', '),
    row.expires_at ?? '',
    row.source + (row.admin ? ', admin' : ''),
  ]);
  process.stdout.write(table([head, ...cells]));
  return 0;
}

export function revokeKey(
  name: string,
  flags: ConfigFlags & { readonly forget?: boolean },
  context: CliContext,
): number {
  const { config } = readConfig(flags, context);
  assertNotConfigured(config, name);
  using file = new KeyFile(config.paths.stateDir);
  const { store } = file;
  const isDone = flags.forget ? store?.forget(name) : store?.revoke(name, Date.now());
  if (store === undefined || !isDone) throw new CliError(whyNotRevoked(name, store));
  process.stderr.write(
    flags.forget
      ? `key ${name} is gone, and what it had used.\n`
      : `key ${name} is revoked. A running server refuses it within a second.\n`,
  );
  const left = config.keys.length + store.keys().length;
  if (left === 0) {
    process.stderr.write('No key is left: on loopback the server answers everybody again.\n');
  }
  return 0;
}

export function showUsage(
  name: string | undefined,
  flags: ConfigFlags & JsonFlag & { readonly days?: string },
  context: CliContext,
): number {
  const { config } = readConfig(flags, context);
  const days = Number(flags.days ?? USAGE_DAYS);
  if (!Number.isInteger(days) || days < 1 || days > 3650) {
    throw new CliError(
      `--days ${flags.days} is not accepted. Write a whole number from 1 to 3650.`,
    );
  }
  using file = new KeyFile(config.paths.stateDir);
  const all = file.store?.usageSince(dayOf(Date.now()) - days + 1) ?? [];
  const rows = all.filter((row) => name === undefined || row.name === name);
  if (name !== undefined && rows.length === 0) assertKnown(name, config, file.store);
  if (flags.json) {
    print({ usage: rows.map(usageBody) });
    return 0;
  }
  if (rows.length === 0) {
    process.stdout.write(`no usage in the last ${days} days (UTC)\n`);
    return 0;
  }
  const head = ['DAY (UTC)', 'KEY', 'REQUESTS', 'PROMPT', 'OF IT CACHED', 'GENERATED'];
  const cells = rows.map((row) => [
    dayText(row.day),
    row.name,
    ...[row.requests, row.promptTokens, row.cachedTokens, row.generatedTokens].map(String),
  ]);
  process.stdout.write(table([head, ...cells]));
  return 0;
}

function parseKey(name: string, sha256: string, flags: AddFlags, nowMs: number): ApiKey {
  const number = (text: string | undefined) =>
    text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
  const parsed = KeySection.safeParse({
    name,
    sha256,
    priority_max: flags.priorityMax,
    requests_per_minute: number(flags.requestsPerMinute),
    burst: number(flags.burst),
    tokens_per_minute: number(flags.tokensPerMinute),
    tokens_per_day: number(flags.tokensPerDay),
    concurrency_max: number(flags.concurrencyMax),
    models: flags.model,
    expires_at: flags.expires === undefined ? undefined : toMoment(flags.expires, nowMs),
    admin: flags.admin,
  });
  if (parsed.success) return toApiKey(parsed.data);
  const [issue] = parsed.error.issues;
  const field = String(issue?.path[0]);
  if (field === 'name') throw new CliError(`"${name}" ${issue?.message}.`);
  throw new CliError(`${flagOf(field)} is not accepted. Write ${expectation(field)}.`);
}

/** `30d`, `12h`, `4w` from now, or a time as the configuration takes it. */
function toMoment(text: string, nowMs: number): string {
  const [, count, unit = ''] = /^(\d{1,6})([hdw])$/.exec(text) ?? [];
  if (count === undefined) return text;
  return new Date(nowMs + Number(count) * UNITS_MS[unit]!).toISOString();
}

function flagOf(field: string): string {
  if (field === 'expires_at') return '--expires';
  return field === 'models' ? '--model' : `--${field.replaceAll('_', '-')}`;
}

function expectation(field: string): string {
  if (field === 'expires_at') return 'a time such as 30d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z';
  const key: Key | undefined = listKeys().find(({ path }) => path === `keys.${field}`);
  return key?.expected ?? 'another value';
}

function assertNotConfigured({ keys }: Config, name: string): void {
  if (!keys.some((key) => key.name === name)) return;
  throw new CliError(`the key ${name} stands in the configuration; change it there.`);
}

function assertKnown(name: string, { keys }: Config, store: KeyStore | undefined): void {
  const names = [...keys, ...(store?.keys() ?? [])].map((key) => key.name);
  if (names.includes(name)) return;
  throw new CliError(`there is no key ${name}. "hearth key list" shows them.`);
}

function whyNotRevoked(name: string, store: KeyStore | undefined): string {
  const isThere = store?.keys().some((key) => key.name === name) ?? false;
  return isThere
    ? `the key ${name} is revoked already. --forget removes it for good.`
    : `there is no key ${name}. "hearth key list" shows them.`;
}

/** As `--json` prints it: names and units of the configuration. Never the hash. */
function describe(key: ApiKey) {
  const { limits, expiresMs, createdMs, revokedMs } = key;
  const isExpired = expiresMs !== undefined && expiresMs <= Date.now();
  const state = revokedMs !== undefined ? 'revoked' : isExpired ? 'expired' : 'valid';
  const moment = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    name: key.name,
    state,
    priority_max: key.priorityMax,
    requests_per_minute: limits.requestsPerMinute ?? null,
    burst: limits.burst ?? null,
    tokens_per_minute: limits.tokensPerMinute ?? null,
    tokens_per_day: limits.tokensPerDay ?? null,
    concurrency_max: limits.concurrencyMax ?? null,
    models: key.models ?? ['*'],
    admin: key.isAdmin,
    created_at: moment(createdMs),
    expires_at: moment(expiresMs),
    revoked_at: moment(revokedMs),
  };
}

function limitsText(row: ReturnType<typeof describe>): string {
  const parts = [
    [row.requests_per_minute, 'requests/min'],
    [row.burst, 'burst'],
    [row.tokens_per_minute, 'tokens/min'],
    [row.tokens_per_day, 'tokens/day'],
    [row.concurrency_max, 'at once'],
  ] as const;
  return parts.flatMap(([limit, unit]) => (limit === null ? [] : [`${limit} ${unit}`])).join(', ');
}

function usageBody(row: DayUsage) {
  return {
    day: dayText(row.day),
    key: row.name,
    requests: row.requests,
    prompt_tokens: row.promptTokens,
    cached_tokens: row.cachedTokens,
    generated_tokens: row.generatedTokens,
  };
}

function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
