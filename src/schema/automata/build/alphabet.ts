/**
 * Classes of code points that no part of an automaton tells apart. A pattern over a million code
 * points usually has five; everything that follows counts classes instead. Pure.
 *
 * The line of code points is cut wherever a range begins or ends. Pieces start as one class, and
 * each group of ranges splits the classes that it covers in part: exact, and as cheap as the sum of
 * the pieces that the groups cover.
 */

export interface Alphabet {
  /** The pieces that some group covers, ascending: `from[i]…to[i]` is of class `classOf[i]`. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly classOf: Int32Array;
  /** The pieces of each class, ascending. */
  readonly piecesOf: readonly (readonly number[])[];
}

/** Ranges in groups: group `g` has those from `first[g]` to `first[g + 1]`, each with a tag. */
export interface Groups {
  readonly first: ArrayLike<number>;
  readonly from: ArrayLike<number>;
  readonly to: ArrayLike<number>;
  readonly tag: ArrayLike<number>;
}

/** Two code points are of one class when every group gives both the same tag, or none. */
export function classify(groups: Groups): Alphabet {
  const cuts = cutPoints(groups);
  const pieceAt = (code: number): number => {
    let low = 0;
    let high = cuts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cuts[middle]! < code) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const current = new Int32Array(cuts.length);
  let ids = 1;
  for (let group = 0; group + 1 < groups.first.length; group++) {
    const split = new Map<number, Map<number, number>>();
    for (let range = groups.first[group]!; range < groups.first[group + 1]!; range++) {
      const to = groups.to[range]!;
      const tag = groups.tag[range]!;
      for (let piece = pieceAt(groups.from[range]!); cuts[piece]! <= to; piece++) {
        const old = current[piece]!;
        let byTag = split.get(old);
        if (byTag === undefined) {
          byTag = new Map();
          split.set(old, byTag);
        }
        let id = byTag.get(tag);
        if (id === undefined) {
          id = ids++;
          byTag.set(tag, id);
        }
        current[piece] = id;
      }
    }
  }
  return compact(cuts, current);
}

function cutPoints(groups: Groups): Int32Array {
  const all = new Int32Array(groups.from.length * 2);
  for (let range = 0; range < groups.from.length; range++) {
    all[range * 2] = groups.from[range]!;
    all[range * 2 + 1] = groups.to[range]! + 1;
  }
  all.sort();
  let count = 0;
  for (let at = 0; at < all.length; at++) {
    if (at === 0 || all[at] !== all[at - 1]) all[count++] = all[at]!;
  }
  return all.subarray(0, count);
}

/** Leaves out what no group covers (class 0), and numbers the classes by their first piece. */
function compact(cuts: Int32Array, current: Int32Array): Alphabet {
  const ids = new Map<number, number>();
  const piecesOf: number[][] = [];
  const from: number[] = [];
  const to: number[] = [];
  const classOf: number[] = [];
  for (let piece = 0; piece + 1 < cuts.length; piece++) {
    const old = current[piece]!;
    if (old === 0) continue;
    let id = ids.get(old);
    if (id === undefined) {
      id = piecesOf.length;
      ids.set(old, id);
      piecesOf.push([]);
    }
    piecesOf[id]!.push(classOf.length);
    from.push(cuts[piece]!);
    to.push(cuts[piece + 1]! - 1);
    classOf.push(id);
  }
  return {
    from: Int32Array.from(from),
    to: Int32Array.from(to),
    classOf: Int32Array.from(classOf),
    piecesOf,
  };
}
