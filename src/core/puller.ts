/**
 * The port through which a model is brought from a hub onto this machine, and what is told meanwhile.
 *
 *   waiting? ─▶ resolved ─▶ chosen ─▶ (file ─▶ progress*)* ─▶ done        note: at any time
 *
 * Units   bytes, seconds in the wire's names as elsewhere.
 * Errors  `pull` rejects with RequestError `invalid_value` before anything is told, later also
 *         `pull_refused`; with CapacityError `pull_failed`; with the signal's reason.
 */
export type PullEvent =
  /** Another process fetches the same model; its end is awaited. */
  | { readonly event: 'waiting'; readonly name: string }
  | {
      readonly event: 'resolved';
      readonly name: string;
      readonly reference: string;
      readonly revision: string;
      readonly licence: string | undefined;
    }
  | {
      readonly event: 'chosen';
      readonly format: 'gguf' | 'mlx';
      readonly quant: string | undefined;
      readonly files: number;
      readonly bytes: number;
      readonly why: string;
      readonly others: readonly string[];
    }
  | {
      readonly event: 'file';
      readonly file: string;
      readonly number: number;
      readonly count: number;
      readonly bytes: number;
      /** There from a pull that was cut. */
      readonly resumedBytes: number;
    }
  | {
      readonly event: 'progress';
      readonly bytes: number;
      readonly totalBytes: number;
      readonly bytesPerSecond: number;
      /** Undefined while there is no rate. */
      readonly secondsLeft: number | undefined;
    }
  | { readonly event: 'note'; readonly message: string }
  | {
      readonly event: 'done';
      readonly name: string;
      readonly path: string;
      readonly reference: string;
      readonly revision: string;
      readonly format: 'gguf' | 'mlx';
      readonly quant: string | undefined;
      readonly bytes: number;
      /** `updated`: what was served by the name before is of an older revision. */
      readonly change: 'new' | 'updated' | 'none';
    };

export type PullDone = Extract<PullEvent, { readonly event: 'done' }>;

export interface PullRequest {
  /** As `hearth pull` takes it. */
  readonly reference: string;
  /** Undefined: from the reference. */
  readonly name: string | undefined;
  /** Undefined: the newest. */
  readonly revision: string | undefined;
}

export interface Puller {
  /** Resolves when it is there and can be asked for. Aborting leaves what was fetched, to be gone on with. */
  pull(
    request: PullRequest,
    options: { readonly signal: AbortSignal; readonly onEvent: (event: PullEvent) => void },
  ): Promise<PullDone>;
}

/** As it is written on the wire: in the names of our JSON, nothing undefined. */
export function pullEventBody(event: PullEvent): Readonly<Record<string, unknown>> {
  const entries = Object.entries(event).map(([key, value]) => [toSnakeCase(key), value ?? null]);
  return Object.fromEntries(entries);
}

function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
