/** How large the grammar of a schema may become, by how large the schema itself may be. Units: bytes. */
const LEAST = 256 * 1024;
/** A little less than what a worker takes. */
const MOST = 960 * 1024;
/** Of real schemas, all but a few in ten thousand stay below. */
const FACTOR = 4;

export function grammarMaxBytes(schemaMaxBytes: number): number {
  return Math.min(Math.max(FACTOR * schemaMaxBytes, LEAST), MOST);
}
