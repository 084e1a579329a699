/**
 * The harness itself, with the bare XHR loop that everybody writes first. It shows that the faults are real: what the
 * library must survive breaks this.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { MIB } from './files.js';
import { type Scene, stage } from './scene.js';

const it = stage();

interface Sent {
  uploadId: string;
  key: string;
  answers: { status: number; etag: boolean }[];
}

/** Opens an upload of the chosen file and sends its parts one after the other, each once. */
async function bareLoop(scene: Scene, path: string): Promise<Sent> {
  const page = await (await scene.device()).newPage();
  await page.goto(scene.site.url);
  await page.locator('#files').setInputFiles(path);
  return page.evaluate(async ({ gateway, headers: caller }) => {
    const file = document.querySelector<HTMLInputElement>('#files')!.files![0]!;
    const post = async (path: string, body: unknown) => {
      const headers = { ...caller, 'content-type': 'application/json' };
      return (await fetch(gateway + path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
    };
    const init = { filename: file.name, size: file.size, checksum_algorithm: 'none', part_size: 5 * 1024 * 1024 };
    const { upload_id: uploadId, key, part_size: size, total_parts: count } = await post('/upload/init', init);
    const numbers = Array.from({ length: count }, (_, index) => ({ number: index + 1 }));
    const { parts } = await post(`/upload/${uploadId}/sign`, { parts: numbers });
    const answers = [];
    for (const { number, url } of parts) {
      answers.push(
        await new Promise<{ status: number; etag: boolean }>((resolve) => {
          const xhr = new XMLHttpRequest();
          xhr.open('PUT', url);
          xhr.onloadend = () => resolve({ status: xhr.status, etag: /^etag:/im.test(xhr.getAllResponseHeaders()) });
          xhr.send(file.slice((number - 1) * size, number * size));
        }),
      );
    }
    return { uploadId, key, answers };
  }, scene.caller);
}

it('a bare loop uploads a file bit by bit', async (scene) => {
  const file = await scene.file('a.bin', 12 * MIB + 3);
  const { uploadId, key, answers } = await bareLoop(scene, file.path);
  assert.ok(answers.every(({ status, etag }) => status === 200 && etag));
  assert.deepEqual(scene.storeProxy.puts().map(({ part, bytes }) => [part, bytes]), [[1, 5 * MIB], [2, 5 * MIB], [3, 2 * MIB + 3]]);
  assert.equal((await scene.multiparts(key)).length, 1);
  await scene.gateway.complete(uploadId);
  const { size, sha256 } = await scene.gateway.download(uploadId);
  assert.deepEqual({ size, sha256 }, { size: file.size, sha256: file.sha256 });
  assert.deepEqual([await scene.multiparts(key), await scene.objects(key)], [[], [key]]);
});

it('a corrupted byte goes unnoticed without checksums', async (scene) => {
  const file = await scene.file('a.bin', 6 * MIB);
  const trap = scene.storeProxy.trap(({ part }) => part === 1, { do: 'corrupt', at: 3 * MIB });
  const { uploadId } = await bareLoop(scene, file.path);
  assert.equal(trap.hits, 1);
  await scene.gateway.complete(uploadId);
  const wrong = readFileSync(file.path);
  wrong[3 * MIB]! ^= 0x01;
  assert.equal((await scene.gateway.download(uploadId)).sha256, createHash('sha256').update(wrong).digest('hex'));
});

it('each fault reaches the page', async (scene) => {
  const proxy = scene.storeProxy;
  proxy.hidesEtag = true;
  proxy.trap(({ part }) => part === 1, { do: 'answer', status: 503, headers: { 'retry-after': '1' } });
  proxy.keepsConnections = false;
  proxy.trap(({ part }) => part === 2, { do: 'cut', after: MIB });
  proxy.trap(({ part }) => part === 3, { do: 'lose' });
  const { path } = await scene.file('a.bin', 20 * MIB);
  const { answers } = await bareLoop(scene, path);
  assert.deepEqual(answers, [
    { status: 503, etag: false },
    { status: 0, etag: false },
    { status: 0, etag: false },
    { status: 200, etag: false },
  ]);
  assert.deepEqual([...proxy.storedParts()], [3, 4]);
});
