/**
 * Numbers for lists of numbers: equal lists get the same one. Lists are kept as they are given, so
 * they must not change afterwards.
 */
export class Interner {
  readonly lists: (readonly number[])[] = [];
  /** By hash: one id, or several where hashes collide. */
  readonly #ids = new Map<number, number | number[]>();

  idOf(list: readonly number[]): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < list.length; i++) {
      hash = Math.imul(hash ^ list[i]!, 0x01000193);
      hash ^= hash >>> 15;
    }
    const found = this.#ids.get(hash);
    if (found === undefined) {
      const id = this.lists.push(list) - 1;
      this.#ids.set(hash, id);
      return id;
    }
    if (typeof found === 'number') {
      if (isEqual(this.lists[found]!, list)) return found;
      const id = this.lists.push(list) - 1;
      this.#ids.set(hash, [found, id]);
      return id;
    }
    for (const id of found) if (isEqual(this.lists[id]!, list)) return id;
    const id = this.lists.push(list) - 1;
    found.push(id);
    return id;
  }
}

function isEqual(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
