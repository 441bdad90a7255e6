/**
 * The failure table of Knuth, Morris and Pratt. At i: length of the longest proper border of the first
 * i + 1 units, that is, how much of the text is still matched when unit i + 1 does not follow.
 */
export function bordersOf(text: string): Int32Array {
  const borders = new Int32Array(text.length);
  let length = 0;
  for (let index = 1; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    while (length > 0 && text.charCodeAt(length) !== unit) length = borders[length - 1] ?? 0;
    if (text.charCodeAt(length) === unit) length++;
    borders[index] = length;
  }
  return borders;
}
