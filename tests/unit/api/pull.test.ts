import { describe, expect, test } from 'vitest';

import { CapacityError, RequestError } from '../../../src/core/errors.ts';
import type { PullEvent } from '../../../src/core/puller.ts';
import { makeApi } from '../../support/api-fixture.ts';
import { PULL_DONE } from '../../support/scripted-puller.ts';

const PULL = '/admin/models/pull';
const post = (body: object) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', host: 'localhost' },
  body: JSON.stringify(body),
});
const progress = (bytes: number): PullEvent => ({
  event: 'progress',
  bytes,
  totalBytes: 10,
  bytesPerSecond: 5,
  secondsLeft: undefined,
});
const dataOf = (text: string) => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!);

describe('POST /admin/models/pull', () => {
  test('tells what happens in our names, coalesces progress nobody has read, and ends with [DONE]', async () => {
    const { admin, puller, lines } = makeApi();
    puller.events = [{ event: 'waiting', name: 'm' }, progress(1), progress(2), progress(3)];
    const answer = await admin.request(
      PULL,
      post({ model: 'acme/m:Q8_0', name: 'x', revision: null }),
    );
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const data = dataOf(await answer.text());
    expect(data.pop()).toBe('[DONE]');
    expect(data.map((one) => JSON.parse(one))).toEqual([
      { event: 'waiting', name: 'm' },
      { event: 'progress', bytes: 3, total_bytes: 10, bytes_per_second: 5, seconds_left: null },
      PULL_DONE,
    ]);
    expect(puller.asked).toEqual([{ reference: 'acme/m:Q8_0', name: 'x', revision: undefined }]);
    expect(lines.at(-1)?.fields).toMatchObject({ route: PULL, status: 200, stream: true });
  });

  test.each([
    [new RequestError('invalid_value', 'no', { param: 'model' }), 400],
    [new RequestError('pull_refused', 'no', { param: 'model' }), 422],
    [new CapacityError('pull_failed', 'no', { retryAfterMs: 1000 }), 503],
  ])('a failure before the first event is a status: %s', async (error, status) => {
    const { admin, puller } = makeApi();
    puller.outcome = error;
    const answer = await admin.request(PULL, post({ model: 'acme/m' }));
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: { code: error.code, message: 'no' } });
  });

  test('a later failure is an error event, without [DONE]', async () => {
    const { admin, puller } = makeApi();
    puller.events = [progress(1)];
    puller.outcome = new CapacityError('pull_failed', 'cut', { retryAfterMs: 1000 });
    const answer = await admin.request(PULL, post({ model: 'acme/m' }));
    const data = dataOf(await answer.text()).map((one) => JSON.parse(one));
    expect(data).toMatchObject([{ event: 'progress' }, { error: { code: 'pull_failed' } }]);
  });

  test('a reader that leaves ends the pull', async () => {
    const { admin, puller, lines } = makeApi();
    puller.events = [progress(1)];
    puller.outcome = 'never';
    const answer = await admin.request(PULL, post({ model: 'acme/m' }));
    const reader = answer.body!.getReader();
    await reader.read();
    expect(puller.signal?.aborted).toBe(false);
    await reader.cancel();
    expect(puller.signal?.aborted).toBe(true);
    expect(lines.at(-1)?.fields).toMatchObject({ code: 'client_closed_request' });
  });

  test('is not on the main port, and takes what it knows only', async () => {
    const { app, admin, puller } = makeApi();
    expect((await app.request(PULL, post({ model: 'a/b' }))).status).toBe(404);
    for (const body of [{}, { model: 1 }, { model: 'a/b', stream: true }]) {
      expect((await admin.request(PULL, post(body))).status).toBe(400);
    }
    expect(puller.asked).toEqual([]);
  });
});
