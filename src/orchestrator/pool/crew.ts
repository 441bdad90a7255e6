/**
 * The workers of one model that there are: those that are counted on, those that serve, those on their way out.
 * Numbered from 1 in the order in which they were hired.
 *
 * Errors  none.
 */
import type { ModelState } from '../../core/engine.ts';
import type { WorkerVitals } from '../../core/observer.ts';
import type { WorkerInfo } from '../../core/operator.ts';
import type { ReplicaEnd } from '../replica/replica.ts';
import { Member, type MemberOptions } from './member.ts';

export class Crew {
  readonly #members = new Map<number, Member>();
  #hired = 0;

  /** `onEnded` is told how it ended, undefined when it was never started; it is none of the crew any more. */
  hire(
    optionsOf: (number: number) => Omit<MemberOptions, 'number'>,
    onEnded: (member: Member, end: ReplicaEnd | undefined) => void,
  ): Member {
    const number = ++this.#hired;
    const member = new Member({ number, ...optionsOf(number) });
    this.#members.set(number, member);
    void member.ended.then((end) => {
      this.#members.delete(number);
      onEnded(member, end);
    });
    return member;
  }

  get all(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** They serve, or will. */
  get staying(): readonly Member[] {
    return this.all.filter(({ isLeaving, phase }) => !isLeaving && phase !== 'over');
  }

  get serving(): readonly Member[] {
    return this.all.filter(({ isServing }) => isServing);
  }

  /** Requests that run, also on those that leave. */
  get active(): number {
    return this.all.reduce((sum, { active }) => sum + active, 0);
  }

  get workers(): readonly WorkerInfo[] {
    return this.all.flatMap(({ info }) => info ?? []);
  }

  /** Of the best of them; undefined when there is none. */
  get state(): Extract<ModelState, 'ready' | 'loading' | 'starting' | 'draining'> | undefined {
    const phases = new Set(this.staying.map(({ phase }) => phase));
    for (const phase of ['ready', 'loading', 'starting'] as const) {
      if (phases.has(phase)) return phase;
    }
    const isLeft = this.all.some(
      ({ isLeaving, hasBegun, phase }) => isLeaving && hasBegun && phase !== 'over',
    );
    return isLeft ? 'draining' : undefined;
  }

  /** Only of one that serves. */
  member(number: number): Member {
    return this.#members.get(number)!;
  }

  find(worker: string): Member | undefined {
    return this.all.find(({ id }) => id === worker);
  }

  /** The newest heartbeat of each that has sent one. */
  vitals(nowMs: number): readonly WorkerVitals[] {
    return this.all.flatMap((member) => {
      const vitals = member.vitals(nowMs);
      if (vitals === undefined) return [];
      return [{ worker: member.number, ageMs: vitals.ageMs, ...vitals.heartbeat }];
    });
  }
}
