/**
 * Which bytes of a file are there, which are not, and who fetches what next. Pure.
 *
 *   missing ──take()──▶ with a connection ──RangeSet.add()──▶ there
 *      ▲                     │
 *      └──────giveBack()─────┘ what is left of it, after a cut
 *
 * Pieces are taken from the front, large ones first and ever smaller ones towards the end: few requests,
 * and all connections are done at about the same time. Since a piece is always a whole request, no byte is
 * asked for twice.
 *
 * Units   bytes; `end` is the first byte behind.
 * Source  Polychronopoulos and Kuck, "Guided Self-Scheduling" (1987).
 */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** In order, apart from each other. */
export class RangeSet {
  #ranges: Range[] = [];

  constructor(ranges: Iterable<Range> = []) {
    for (const range of ranges) this.add(range);
  }

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  get bytes(): number {
    return this.#ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** How far it is whole from the first byte on. */
  get prefix(): number {
    const [first] = this.#ranges;
    return first?.start === 0 ? first.end : 0;
  }

  add({ start, end }: Range): void {
    if (end <= start) return;
    const before = this.#ranges.filter((range) => range.end < start);
    const behind = this.#ranges.filter((range) => range.start > end);
    const touched = this.#ranges.slice(before.length, this.#ranges.length - behind.length);
    const joined = {
      start: Math.min(start, touched[0]?.start ?? start),
      end: Math.max(end, touched.at(-1)?.end ?? end),
    };
    this.#ranges = [...before, joined, ...behind];
  }

  /** What is not in it, of a file of so many bytes. */
  missing(bytes: number): readonly Range[] {
    const gaps: Range[] = [];
    let from = 0;
    for (const { start, end } of this.#ranges) {
      if (start > from) gaps.push({ start: from, end: start });
      from = end;
    }
    if (from < bytes) gaps.push({ start: from, end: bytes });
    return gaps;
  }
}

export interface PlanOptions {
  readonly connections: number;
  /** Of one request. */
  readonly minBytes: number;
  readonly maxBytes: number;
}

export class RangePlan {
  #missing: RangeSet;
  readonly #options: PlanOptions;

  constructor(missing: Iterable<Range>, options: PlanOptions) {
    this.#missing = new RangeSet(missing);
    this.#options = options;
  }

  /** Undefined when nothing is left to take. */
  take(): Range | undefined {
    const [first, ...rest] = this.#missing.ranges;
    if (first === undefined) return undefined;
    const { connections, minBytes, maxBytes } = this.#options;
    const share = Math.ceil(this.#missing.bytes / (connections * 4));
    const size = Math.min(maxBytes, Math.max(minBytes, share));
    const taken = { start: first.start, end: Math.min(first.end, first.start + size) };
    this.#missing = new RangeSet([{ start: taken.end, end: first.end }, ...rest]);
    return taken;
  }

  giveBack(range: Range): void {
    this.#missing.add(range);
  }
}
