import { expect, test } from 'vitest';

import { kindOfAddress } from '../../../../src/models/pull/addresses.ts';

test.each([
  ['8.8.8.8', 'public'],
  ['127.0.0.1', 'loopback'],
  ['127.9.9.9', 'loopback'],
  ['10.1.2.3', 'private'],
  ['172.16.0.1', 'private'],
  ['172.32.0.1', 'public'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'private'],
  ['169.254.169.254', 'link-local'],
  ['0.0.0.0', 'special'],
  ['255.255.255.255', 'special'],
  ['224.0.0.1', 'special'],
  ['2606:4700::1111', 'public'],
  ['::1', 'loopback'],
  ['[::1]', 'loopback'],
  ['::', 'special'],
  ['::7f00:1', 'special'],
  ['::ffff:10.0.0.1', 'private'],
  ['::ffff:a9fe:a9fe', 'link-local'],
  ['64:ff9b::7f00:1', 'loopback'],
  ['64:ff9b::808:808', 'public'],
  ['2002:a00:1::', 'private'],
  ['fe80::1', 'link-local'],
  ['fe80::1%eth0', 'link-local'],
  ['fd00::1', 'private'],
  ['ff02::1', 'special'],
  ['huggingface.co', undefined],
  ['1.2.3', undefined],
])('%s is %s', (address, kind) => {
  expect(kindOfAddress(address)).toBe(kind);
});
