/** A client's text in an error: quoted, escaped, short. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 128 ? `${text.slice(0, 128)}…` : text);
}
