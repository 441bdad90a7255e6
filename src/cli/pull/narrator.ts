/**
 * What a pull tells, for people: a line for each thing that they may want to know, and a bar with rate and
 * time left. With `--json` each event is a line and there is nothing else.
 */
import { type PullEvent, pullEventBody } from '../../core/puller.ts';
import { showBytes } from '../../models/pull/sizes.ts';
import type { Progress } from '../progress.ts';

export interface NarratorOptions {
  readonly isJson: boolean;
  readonly progress: Progress;
  /** A line on stdout. */
  readonly print: (line: string) => void;
}

const OTHERS_SHOWN_MAX = 12;
const HOW = { new: 'is there', updated: 'is there, newer', none: 'was there already' } as const;

export class Narrator {
  readonly #options: NarratorOptions;
  #label = 'fetching';

  constructor(options: NarratorOptions) {
    this.#options = options;
  }

  tell(event: PullEvent): void {
    const { isJson, print, progress } = this.#options;
    if (isJson) {
      print(JSON.stringify(pullEventBody(event)));
      return;
    }
    if (event.event === 'progress') {
      const { bytes, totalBytes } = event;
      // Until it is on the disk and its hash is known.
      const label = bytes === totalBytes ? 'checking' : this.#label;
      progress.show(label, totalBytes === 0 ? 1 : bytes / totalBytes, describeRate(event));
      return;
    }
    const line = this.#lineOf(event);
    if (line === undefined) return;
    progress.clear();
    print(line);
  }

  #lineOf(event: Exclude<PullEvent, { event: 'progress' }>): string | undefined {
    switch (event.event) {
      case 'waiting':
        return `${event.name} is being pulled already; waiting for that`;
      case 'resolved': {
        const licence = event.licence === undefined ? 'no licence stated' : event.licence;
        return `${event.reference} at ${event.revision.slice(0, 8)} (${licence})`;
      }
      case 'chosen':
        return describeChoice(event);
      case 'file': {
        const { file, number, count, resumedBytes } = event;
        this.#label = count === 1 ? 'fetching' : `fetching ${number} of ${count}`;
        if (resumedBytes === 0) return undefined;
        return `${file}: going on after ${showBytes(resumedBytes)}`;
      }
      case 'note':
        return event.message;
      case 'done': {
        const what = HOW[event.change];
        return `${event.name} ${what}: ${showBytes(event.bytes)} in ${event.path}`;
      }
    }
  }
}

function describeChoice({
  format,
  quant,
  files,
  bytes,
  why,
  others,
}: Extract<PullEvent, { event: 'chosen' }>): string {
  const what = quant ?? (format === 'mlx' ? 'MLX' : 'the file');
  const count = files === 1 ? '' : ` in ${files} files`;
  const shown = others.slice(0, OTHERS_SHOWN_MAX).join(', ');
  const more = others.length > OTHERS_SHOWN_MAX ? ', …' : '';
  const choose = others.length === 0 ? '' : `; another with :QUANT (${shown}${more})`;
  return `${what}, ${showBytes(bytes)}${count}: ${why}${choose}`;
}

function describeRate({
  bytes,
  totalBytes,
  bytesPerSecond,
  secondsLeft,
}: Extract<PullEvent, { event: 'progress' }>): string {
  const done = `${showBytes(bytes)} of ${showBytes(totalBytes)}`;
  if (secondsLeft === undefined) return done;
  return `${done}, ${showBytes(bytesPerSecond)}/s, ${showDuration(secondsLeft)} left`;
}

function showDuration(seconds: number): string {
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
