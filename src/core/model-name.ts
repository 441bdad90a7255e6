/** What clients write in `model`: an identifier that is looked up, never a path. */
export const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;

/** For people, after "is not a model name". */
export const MODEL_NAME_RULE =
  'letters, digits and . _ : / - (up to 128 characters, a letter or digit first)';
