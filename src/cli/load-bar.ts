/** Shows on a terminal how far the models have been loaded. Elsewhere the log has the lines. */
import type { Engine } from '../core/engine.ts';
import type { Progress } from './progress.ts';

const REDRAW_MS = 100;

/** Draws until nothing is loading any more, or until it is disposed of. */
export function startLoadBar(engine: Engine, progress: Progress): Disposable {
  const redraw = setInterval(() => {
    const loading = engine
      .models()
      .filter(({ state }) => state === 'starting' || state === 'loading');
    const [first] = loading;
    if (first === undefined) return stop();
    const others = loading.length === 1 ? '' : ` and ${loading.length - 1} more`;
    progress.show(`loading ${first.name}${others}`, first.progress ?? 0);
  }, REDRAW_MS);
  const stop = () => {
    clearInterval(redraw);
    progress.clear();
  };
  return { [Symbol.dispose]: stop };
}
