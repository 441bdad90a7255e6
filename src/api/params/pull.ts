/** The body of `POST /admin/models/pull`. What a reference may be, the puller decides. */
import * as z from 'zod';

export const PullBody = z.object({
  model: z
    .string()
    .max(1024)
    .describe('A short name, `org/model[:QUANT]`, or an address of the hub.'),
  name: z.string().max(128).nullish().describe('Serve it by this name.'),
  revision: z.string().max(128).nullish().describe('A branch, tag or commit.'),
});
