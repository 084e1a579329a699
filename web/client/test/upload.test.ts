import assert from 'node:assert/strict';
import { test } from 'node:test';

import { UploadQueue } from '../src/queue.js';

test('an upload that is paused before its turn waits until it is resumed', () => {
  const queue = new UploadQueue({ gateway: 'http://127.0.0.1:9' });
  queue.pause();
  const upload = queue.add(new Blob(['x']), { name: 'x' });
  assert.equal(upload.state, 'waiting');
  upload.pause();
  assert.equal(upload.state, 'paused');
  upload.resume();
  assert.equal(upload.state, 'waiting');
});
