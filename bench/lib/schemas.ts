/** What answers are held to where the cost of a grammar is measured. */

/** None of them can be complete within the tokens that are asked for: 96 at most. */
export const SCHEMAS: Readonly<Record<string, object>> = {
  'list of records': {
    type: 'array',
    minItems: 40,
    items: {
      type: 'object',
      properties: {
        name: { type: 'string', minLength: 3, maxLength: 40 },
        age: { type: 'integer', minimum: 0, maximum: 150 },
        kind: { enum: ['person', 'animal', 'thing'] },
      },
      required: ['name', 'age', 'kind'],
      additionalProperties: false,
    },
  },
  'one long text': { type: 'string', minLength: 1_500 },
  pattern: {
    type: 'array',
    minItems: 40,
    items: { type: 'string', pattern: '^[a-z]{2,9}-[0-9]{4}$' },
  },
};
