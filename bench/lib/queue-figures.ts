/** What is told of a queue: waits and first tokens, who was served, who was overtaken. Units: ms. */
import type { Served } from './simulate.ts';

/** Share that was served, then p50/p95/p99 of wait and TTFT, s. */
export function figuresOf(all: readonly Served[]): string[] {
  const served = all.filter(({ end }) => end === 'served');
  const waits = served.map(({ atMs, grantedMs }) => grantedMs! - atMs).sort((a, b) => a - b);
  const ttfts = served.map(({ atMs, firstTokenMs }) => firstTokenMs! - atMs).sort((a, b) => a - b);
  const show = (values: readonly number[]) =>
    [0.5, 0.95, 0.99].map((q) => (at(values, q) / 1000).toFixed(2)).join('/');
  return [percent(served.length / all.length), show(waits), show(ttfts)];
}

/** Requests that were granted after one of the same class and key that had come later. */
export function inversions(served: readonly Served[]): number {
  const lanes = new Map<string, Served[]>();
  for (const one of served) {
    if (one.firstGrantedMs === undefined) continue;
    const name = `${one.priority} ${one.tenant}`;
    const lane = lanes.get(name);
    if (lane === undefined) lanes.set(name, [one]);
    else lane.push(one);
  }
  let count = 0;
  for (const lane of lanes.values()) {
    lane.sort((a, b) => a.key - b.key);
    let latest = Number.NEGATIVE_INFINITY;
    for (const { firstGrantedMs } of lane) {
      if (firstGrantedMs! < latest) count += 1;
      latest = Math.max(latest, firstGrantedMs!);
    }
  }
  return count;
}

export function at(sorted: readonly number[], quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
