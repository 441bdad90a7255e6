/**
 * Who a caller is and what he may do: the port between the HTTP layer and whoever keeps the API keys.
 *
 * Without keys the gate is open: everybody is the same caller, who may do everything.
 */
import type { Priority } from './priority.ts';
import type { TenantLimits } from './tenant.ts';

export interface Caller {
  /** Of the key. Stands in logs, metrics and usage; unique among keys. */
  readonly name: string;
  /** The highest class a request of it can be. */
  readonly priorityMax: Priority;
  readonly limits: TenantLimits;
  /** Names it may use. Undefined: all. */
  readonly models: readonly string[] | undefined;
  /** May use the admin port. */
  readonly isAdmin: boolean;
}

export interface ApiKey extends Caller {
  /** SHA-256 of the secret, hexadecimal. The secret itself is stored nowhere. */
  readonly sha256: string;
  /** ms since the epoch, here and below. */
  readonly expiresMs?: number | undefined;
  readonly createdMs?: number | undefined;
  readonly revokedMs?: number | undefined;
}

export interface Gate {
  /** False as soon as there is a key, valid or not, or when the server listens to other machines. */
  readonly isOpen: boolean;
  /** Throws RequestError `invalid_api_key` or `key_expired`. */
  identify(secret: string | undefined): Caller;
}

/** Whom a server without keys takes everybody for. No key can have the name. */
export const ANYBODY: Caller = {
  name: 'local',
  priorityMax: 'high',
  limits: {},
  models: undefined,
  isAdmin: true,
};

export const openGate: Gate = { isOpen: true, identify: () => ANYBODY };

export function mayUse({ models }: Caller, model: string): boolean {
  return models === undefined || models.includes(model);
}
