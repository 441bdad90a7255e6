/** The API keys of `arrivals.ts` as they stand in a `hearth.toml`. The secret of each is its name. */
import { createHash } from 'node:crypto';

import { KEYS } from './arrivals.ts';

export function keyTables(): readonly string[] {
  return Array.from({ length: KEYS }, (_, index) => {
    const name = `key-${index}`;
    const sha256 = createHash('sha256').update(name).digest('hex');
    return `[[keys]]\nname = "${name}"\nsha256 = "${sha256}"`;
  });
}
