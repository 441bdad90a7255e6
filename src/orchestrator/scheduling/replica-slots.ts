/**
 * The slots of the replicas of one model. Pure.
 *
 *   routable ──remove()──▶ leaving      what runs there goes on, and takes nothing from the others
 *
 * Of the replicas with room the one with the longest part of the prompt in its cache is taken (`prefix-memory.ts`), then
 * the one with the most room, then the oldest.
 *
 * Units   a slot holds one sequence.
 * Errors  none.
 */
import { PrefixMemory, type Trail } from './prefix-memory.ts';

/** One replica. What it holds is counted here also after it is no more routable. */
export interface Place {
  readonly replica: number;
  readonly slots: number;
  /** Beyond `slots`, for the high class alone. */
  readonly spare: number;
  readonly prefixes: PrefixMemory;
  busyUnits: number;
}

export class ReplicaSlots {
  readonly #places = new Map<number, Place>();

  /** Of all that are routable. */
  get total(): number {
    let total = 0;
    for (const { slots } of this.#places.values()) total += slots;
    return total;
  }

  /** Those that any class may have. */
  get free(): number {
    let free = 0;
    for (const { slots, busyUnits } of this.#places.values()) {
      free += Math.max(0, slots - busyUnits);
    }
    return free;
  }

  /** The most that one request can have. */
  get largest(): number {
    let largest = 0;
    for (const { slots } of this.#places.values()) largest = Math.max(largest, slots);
    return largest;
  }

  has(place: Place): boolean {
    return this.#places.get(place.replica) === place;
  }

  add(replica: number, size: { readonly slots: number; readonly spare: number }): void {
    const { slots, spare } = size;
    this.#places.set(replica, {
      replica,
      slots,
      spare,
      prefixes: new PrefixMemory(),
      busyUnits: 0,
    });
  }

  remove(replica: number): void {
    this.#places.delete(replica);
  }

  clear(): void {
    this.#places.clear();
  }

  /** With `units` slots free, `isHigh` counts the spare ones. Undefined: none has. */
  placeFor(units: number, trail: Trail, isHigh: boolean): Place | undefined {
    let best: Place | undefined;
    let bestRoom = 0;
    let bestDepth = -1;
    for (const place of this.#places.values()) {
      const room = place.slots + (isHigh ? place.spare : 0) - place.busyUnits;
      if (room < units) continue;
      // Where there is nothing to choose, nothing is compared.
      const depth = this.#places.size === 1 ? 0 : place.prefixes.depthOf(trail);
      if (depth < bestDepth || (depth === bestDepth && room <= bestRoom)) continue;
      best = place;
      bestRoom = room;
      bestDepth = depth;
    }
    return best;
  }
}
