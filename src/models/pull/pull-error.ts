/** Why a model could not be had, in one line for people: what happened, which value, what to do. */

export type PullErrorCode =
  /** The reference, or the name, cannot be one. */
  | 'invalid_reference'
  /** The hub knows no such repository, revision or file. */
  | 'not_found'
  /** It is there, and not for this token, or for none. */
  | 'not_allowed'
  /** There are several, and which one is meant cannot be told. */
  | 'ambiguous'
  /** It is of a kind that is not fetched, or lies where nothing is fetched from. */
  | 'refused'
  /** There is a model of this name, and it is another one. */
  | 'name_taken'
  /** No quantisation of it fits into memory. */
  | 'no_memory'
  | 'disk_full'
  /** The folder cannot be read or written. */
  | 'folder'
  /** The hub cannot be reached, or fails, also after several tries. */
  | 'unreachable'
  /** What came is not what the hub has promised. */
  | 'broken';

export class PullError extends Error {
  override name = 'PullError';
  readonly code: PullErrorCode;

  constructor(code: PullErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** One attempt failed; another may not. `afterMs` is what the server asks for. */
export class TransferError extends Error {
  override name = 'TransferError';
  readonly afterMs: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly afterMs?: number } = {}) {
    super(message, options);
    this.afterMs = options.afterMs;
  }
}
