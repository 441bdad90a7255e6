/**
 * How much service each party has had, so that the one with the least goes next. Pure.
 *
 * A party is present while it has a request, waiting or running. One that comes is lifted to the least
 * of those that are present: what it did not use while it was away is not owed to it, else it could
 * keep everybody out for as long as it had been silent. Where nobody is present it is lifted to where
 * the last one left.
 *
 * Units   service in weighted tokens.
 * Errors  none.
 * Cost    O(present parties) when one comes.
 * Source  VTC: Sheng et al., "Fairness in Serving Large Language Models", OSDI'24, algorithm 2; there
 *         a party counts while it waits, here also while it runs, or one that always has a request
 *         running and none waiting would lose what it is owed with each of them.
 */

/** Above so many remembered parties those that are owed nothing are forgotten. */
const REMEMBERED_MAX = 1024;

export class FairShare<Party> {
  readonly #service = new Map<Party, number>();
  /** Requests of each party that is present. */
  readonly #present = new Map<Party, number>();
  #floor = 0;

  serviceOf(party: Party): number {
    return this.#service.get(party) ?? this.#floor;
  }

  /** A request of the party has come. */
  enter(party: Party): void {
    const requests = this.#present.get(party) ?? 0;
    if (requests === 0) {
      this.#floor = this.#least() ?? this.#floor;
      this.#service.set(party, Math.max(this.#service.get(party) ?? 0, this.#floor));
      if (this.#service.size > REMEMBERED_MAX) this.#forget();
    }
    this.#present.set(party, requests + 1);
  }

  /** A request of the party is over. */
  leave(party: Party): void {
    const requests = this.#present.get(party)! - 1;
    if (requests > 0) {
      this.#present.set(party, requests);
      return;
    }
    this.#present.delete(party);
    if (this.#present.size === 0) this.#floor = Math.max(this.#floor, this.serviceOf(party));
  }

  /** It could not have had what others got: it is not owed what they had up to `service`. */
  lift(party: Party, service: number): void {
    if (this.serviceOf(party) < service) this.#service.set(party, service);
  }

  /** Negative for what was begun in vain. */
  charge(party: Party, service: number): void {
    this.#service.set(party, this.serviceOf(party) + service);
  }

  #least(): number | undefined {
    let least: number | undefined;
    for (const party of this.#present.keys()) {
      const service = this.#service.get(party)!;
      if (least === undefined || service < least) least = service;
    }
    return least;
  }

  /** Who is below the floor would be lifted to it anyway. */
  #forget(): void {
    for (const [party, service] of this.#service) {
      if (service <= this.#floor && !this.#present.has(party)) this.#service.delete(party);
    }
  }
}
