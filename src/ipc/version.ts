/**
 * Version of the protocol, apart from `protocol.ts`: a worker says hello before it has imported the
 * schemas.
 */
export const VERSION = 3;
