/**
 * Section `gap`: what a running stream feels while a prompt of 2,000 tokens is read, over HTTP, and what its newcomer
 * pays.
 */
import { measureStall, type Stall } from '../lib/beside.ts';
import type { BenchOptions } from '../lib/options.ts';
import { runQuiet } from '../lib/quiet.ts';
import type { Report } from '../lib/report.ts';
import { startHearth } from '../lib/servers.ts';
import { pairedRatio, showSpread, spreadOf } from '../lib/stats.ts';
import type { MlxSetup } from './setup.ts';

const FOREIGN_PROMPT_TOKENS = 2000;
const SLOTS = 2;
const CONTEXT_TOKENS = 4096;
const GAP_MAX_S = 1;
const TTFT_MAX = 1.25;

export async function measureGap(
  { smollm2, environment }: MlxSetup,
  { rounds, signal }: BenchOptions,
  report: Report,
): Promise<void> {
  report.note('## A running row while a long prompt is read');
  report.note(
    `SmolLM2 float32, a prompt of ${FOREIGN_PROMPT_TOKENS} tokens; medians of ${rounds} rounds (range in brackets).`,
  );
  await using hearth = await startHearth({
    ...{ model: smollm2, slots: SLOTS, contextTokens: CONTEXT_TOKENS, threads: 1 },
    ...{ environment, signal },
  });
  const stalls: Stall[] = [];
  for (let round = -1; round < rounds; round++) {
    signal.throwIfAborted();
    const { value } = await runQuiet([hearth.pid], () =>
      measureStall(hearth, 'smollm2', FOREIGN_PROMPT_TOKENS),
    );
    console.error(
      `gap ${value.gapMs.toFixed(0)} ms, first token alone ${value.aloneMs.toFixed(0)}, beside ${value.besideMs.toFixed(0)} ms`,
    );
    if (round >= 0) stalls.push(value);
  }
  const pick = (key: keyof Stall) => stalls.map((one) => one[key]);
  const gap = spreadOf(pick('gapMs'));
  const ratio = pairedRatio(pick('besideMs'), pick('aloneMs'));
  report.table(
    ['longest gap ms', 'TTFT alone ms', 'TTFT beside a stream ms', 'ratio'],
    [
      [
        ...(['gapMs', 'aloneMs', 'besideMs'] as const).map((key) =>
          showSpread(spreadOf(pick(key)), 0),
        ),
        showSpread(ratio, 2),
      ],
    ],
  );
  const [rule, value] = ['at most', gap.median / 1000] as const;
  report.bar({ name: 'longest gap', value, limit: GAP_MAX_S, rule, unit: ' s' });
  report.bar({
    ...{ name: 'newcomer against alone', value: ratio.median, limit: TTFT_MAX, rule, unit: ' ×' },
  });
  report.data('gap', stalls);
}
