/**
 * What is thrown when a schema cannot be enforced: never approximated, always named.
 *
 * Units   `pointer` is an RFC 6901 pointer into the schema as it was given, "" for its root.
 */

/** Why nothing is generated: the keyword is outside the language, or its cost is outside the budget. */
export class UnsupportedSchema extends Error {
  override name = 'UnsupportedSchema';
  readonly keyword: string;
  readonly pointer: string;
  readonly why: string;

  constructor(keyword: string, pointer: string, why: string) {
    super(`\`${keyword}\` at ${pointer === '' ? 'the root' : pointer}: ${why}`);
    this.keyword = keyword;
    this.pointer = pointer;
    this.why = why;
  }
}
