/** `docs/errors.md`: the catalogue of failures with what each looks like on the wire. */
import { errorType, STATUS } from '../src/api/error-response.ts';
import { CATALOGUE, type ErrorCode } from '../src/core/errors.ts';

const RETRY = {
  request: 'no',
  capacity: 'when `x-should-retry` says so',
  worker: 'no',
  bug: 'no',
} as const;

export function errorsPage(): string {
  const codes = (Object.keys(CATALOGUE) as ErrorCode[]).sort(
    (a, b) => STATUS[a] - STATUS[b] || a.localeCompare(b),
  );
  const rows = codes.map((code) => {
    const { who, means, remedy } = CATALOGUE[code];
    const cells = [`\`${code}\``, String(STATUS[code]), `\`${errorType(code)}\``];
    return `| ${[...cells, means, remedy, RETRY[who]].join(' | ')} |`;
  });
  return `${[HEAD, ...rows].join('\n')}\n`;
}

const HEAD = `# Errors

Generated from \`src/core/errors.ts\` and \`src/api/error-response.ts\` by \`npm run generate\`; do not edit.

Every error has this shape, all four fields always there:

\`\`\`json
{"error": {"message": "…", "type": "invalid_request_error", "param": "messages[0].content", "code": "invalid_type"}}
\`\`\`

Match on \`code\`. The header \`x-should-retry\` says whether the same request can succeed later; where
it can, \`retry-after-ms\` and \`Retry-After\` say when. In a stream that has begun, the error is the
last event, and no \`[DONE]\` follows.

| code | status | type | what happened | what to do | try again? |
|---|---|---|---|---|---|`;
