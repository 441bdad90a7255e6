/**
 * Ember, the model that ships inside: what is served where nobody has named another one.
 *
 * Five million parameters, trained on generated text only (`ember/README.md`). It is there so that the
 * first run answers without a network, and so that tests have a model that behaves.
 */
import { fileURLToPath } from 'node:url';

import type { ModelEntry } from './catalogue.ts';

export const EMBER_FILE = fileURLToPath(new URL('../../ember/ember-Q8_0.gguf', import.meta.url));

/** Its longest trained answer has 200 tokens. Beyond, a tiny model only repeats itself. */
const MAX_TOKENS = 512;

export const EMBER: ModelEntry = {
  name: 'ember',
  path: EMBER_FILE,
  description:
    'tiny demo model: repeats and remembers text, small sums, capitals, tool calls, simple JSON, help on Hearth',
  // It knows one right answer to most questions: chance only spoils it.
  defaults: { temperature: 0.2, topP: 0.9, maxTokens: MAX_TOKENS },
};
