/** A JSON log line as a person reads it on a terminal: `12:01:02 info  model ready  model=small`. */

const COLOURS: Readonly<Record<string, string>> = { warning: '33', error: '31', debug: '90' };

/** Takes one line of ours; what is no JSON object is returned as it is. */
export function readableLine(line: string): string {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    // Not ours, then: shown as it came.
    return line;
  }
  if (typeof record !== 'object' || record === null) return line;
  const { time, level, msg, ...fields } = record as Record<string, unknown>;
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${show(value)}`);
  const colour = COLOURS[String(level)];
  const word = String(level).padEnd(7);
  const clock = String(time).slice(11, 19);
  const coloured = colour === undefined ? word : `\u001b[${colour}m${word}\u001b[0m`;
  return `${[clock, coloured, show(msg), ...facts].join(' ')}\n`;
}

/** Control characters stay escaped: a log line must not move the cursor. */
function show(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? '';
  const quoted = JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return quoted.slice(1, -1);
}
