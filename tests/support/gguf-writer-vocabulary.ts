/**
 * A byte-level BPE vocabulary of any size, and the ChatML template that goes with it.
 *
 *   ids 0–255         the bytes, in GPT-2's printable form
 *   then              merges: with a leading space and without, two letters, three, four
 *   the last eight    special tokens
 *
 * So every text can be written, lower-case words come out in pieces of up to four letters, and
 * a vocabulary of 264 splits every character of two and more bytes across tokens.
 *
 * Source  GPT-2's `bytes_to_unicode`; token types of llama.cpp (1 normal, 3 control, 4 user).
 */

export const BEGIN_OF_TEXT = '<|endoftext|>';
export const END_OF_TURN = '<|im_end|>';

/** Control tokens do not show in the text, the marks of a thought do. */
const SPECIALS: readonly (readonly [text: string, type: 3 | 4])[] = [
  [BEGIN_OF_TEXT, 3],
  ['<|im_start|>', 3],
  [END_OF_TURN, 3],
  ['<think>', 4],
  ['</think>', 4],
  ['<|fim_prefix|>', 3],
  ['<|fim_suffix|>', 3],
  ['<|fim_middle|>', 3],
];

const MIN_VOCABULARY = 256 + SPECIALS.length;

export interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  /** "left right", best first. */
  readonly merges: readonly string[];
}

/** Throws RangeError below MIN_VOCABULARY and above what four letters can make (some 490,000). */
export function makeVocabulary(size: number): Vocabulary {
  if (size < MIN_VOCABULARY) {
    throw new RangeError(`A vocabulary has at least ${MIN_VOCABULARY} tokens, got ${size}`);
  }
  const tokens = byteTokens();
  const types = tokens.map(() => 1);
  const merges: string[] = [];
  for (const [left, right] of mergePairs()) {
    if (tokens.length === size - SPECIALS.length) break;
    merges.push(`${left} ${right}`);
    tokens.push(left + right);
    types.push(1);
  }
  if (tokens.length < size - SPECIALS.length) {
    throw new RangeError(`No vocabulary of ${size} tokens can be made from four letters`);
  }
  for (const [text, type] of SPECIALS) {
    tokens.push(text);
    types.push(type);
  }
  return { tokens, types, merges };
}

/** GPT-2 writes the bytes that are not printable as the characters from U+0100 on. */
function byteTokens(): string[] {
  const isPrintable = (b: number) =>
    (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(isPrintable(b) ? b : next++));
}

function* mergePairs(): Generator<[left: string, right: string]> {
  const letters = [...'etaoinshrdlcumwfgypbvkjxqz'];
  const space = 'Ġ';
  for (const a of letters) yield [space, a];
  for (const a of letters) for (const b of letters) yield [a, b];
  for (const a of letters) for (const b of letters) yield [space + a, b];
  for (const start of ['', space]) {
    for (const a of letters) {
      for (const b of letters) for (const c of letters) yield [start + a + b, c];
    }
  }
  for (const a of letters) {
    for (const b of letters) {
      for (const c of letters) for (const d of letters) yield [a + b + c, d];
    }
  }
}

/** ChatML with tools as Qwen and Hermes write them. */
export const CHAT_TEMPLATE = `{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- '# Tools\\n\\nYou may call one or more functions.\\n\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools>\\n\\nFor each call write {"name": ..., "arguments": ...} within <tool_call></tool_call>.<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first %}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{%- if call.function %}{%- set call = call.function %}{%- endif %}
{{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
{%- if call.arguments is string %}{{- call.arguments }}{%- else %}{{- call.arguments | tojson }}{%- endif %}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
`;
