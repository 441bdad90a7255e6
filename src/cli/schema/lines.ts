/**
 * The lines of a stream of bytes, without more of it in memory than one line and one piece. Blank lines are left
 * out and counted; one that is too long is passed over and told of.
 *
 * Units   bytes; `number` counts from 1.
 */
export interface Line {
  readonly number: number;
  readonly size: number;
  /** Undefined where there are more than `maxBytes`. */
  readonly bytes: Uint8Array | undefined;
}

const NEWLINE = 0x0a;

export async function* linesOf(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Line, void, undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  let number = 0;
  const take = (part: Uint8Array) => {
    size += part.length;
    if (size > maxBytes) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const end = (): Line | undefined => {
    number++;
    const line = { number, size, bytes: size > maxBytes ? undefined : joined(parts) };
    parts = [];
    size = 0;
    return line.bytes !== undefined && isBlank(line.bytes) ? undefined : line;
  };
  for await (const piece of source) {
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, from)) {
      take(piece.subarray(from, at));
      from = at + 1;
      const line = end();
      if (line !== undefined) yield line;
    }
    take(piece.subarray(from));
  }
  const line = end();
  if (line !== undefined) yield line;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** Blanks of JSON, the return of Windows among them. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
