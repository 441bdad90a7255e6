/**
 * Records what llama.cpp makes of texts, for `test_gguf.py`: `node gguf_tokens.mjs PRE=FILE… > gguf_tokens.jsonl`.
 * The files are those that `gguf_writer.py PRE FILE` writes.
 */
import { getLlama } from 'node-llama-cpp';

const WORDS = [
  'Hello world',
  "it's, they'll, WE'VE I'd",
  '1 22 333 4444 55555',
  'a  b   c    d',
  '\n\n\nx\n y\r\n\tz  ',
  'Zwölf Boxkämpfer',
  'déjà vu',
  'Съешь же ещё',
  '日本語テスト',
  '😀👨‍👩‍👧 e\u0301',
  '½ ² Ⅷ ٣٤',
  '<|im_start|>user\nhi<|im_end|>',
  '<think>a</think>',
  '{"a": [1, 2.5e-3, null]}',
  'def f(x):\n    return x**2  # no',
  'https://x.org/?q=a%20b&c=d',
  "''''s 't",
  '...!!!???',
  ' ',
  '',
  '\t\t',
  'é',
  '\u00a0\u2003x',
  'The quick brown fox',
  'CamelCaseAndSNAKE_case',
  'x=1;y=2;',
  '   \n   ',
  'a\u0000b',
  '中文，标点。',
  '👍🏽',
];

/** A generator with a seed: the same texts at every call. */
function* texts() {
  yield* WORDS;
  let state = 12345;
  const below = (n) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * n);
  };
  const parts = [
    ...WORDS,
    ' ',
    '\n',
    'a',
    'B',
    '7',
    "'s",
    '  ',
    'ß',
    '_',
    '-',
    '(',
    ')',
    '🙂',
    'о',
  ];
  for (let text = 0; text < 300; text++) {
    let joined = '';
    for (let part = 0; part <= below(6); part++) joined += parts[below(parts.length)];
    yield joined;
  }
}

const all = [...texts()].filter((text) => text !== '' && !text.includes('\0'));
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const lines = all.map((text) => ({ text }));
for (const argument of process.argv.slice(2)) {
  const [pre, modelPath] = argument.split('=');
  const model = await llama.loadModel({ modelPath, vocabOnly: true });
  for (const line of lines) line[pre] = [...model.tokenize(line.text, true)];
  await model.dispose();
}
for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`);
await llama.dispose();
