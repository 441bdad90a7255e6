/** The secret half of an API key. Source: OWASP ASVS 5.0, 6.5 and 11.5 (random, ≥ 128 bits). */
import { createHash, randomBytes } from 'node:crypto';

const SECRET_BYTES = 32;
/** Clients that look at a key expect `sk-`; the rest tells leaked ones from those of other services. */
const PREFIX = 'sk-hearth-';

export function makeSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
}

/** Of 256 random bits a plain hash is enough: there is nothing to guess that salt would slow down. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}
