// How fast workers hash parts of a file on disk (CRC64NVME), by the way in which they read it; alone, and while parts are sent.
//   BYTES (256 MiB), PART (10 MiB), ROUNDS (3), METHODS (a,b), WORKERS (1,2), SENDING=0 (do without)
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateMultipartUploadCommand, AbortMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { Chromium } from './lib/chromium.mjs';
import { randomFile, sha256 } from './lib/files.mjs';
import { bundle, root, serve } from './lib/pages.mjs';
import { startMinio } from './lib/servers.mjs';

const MiB = 1 << 20;
const size = Number(process.env.BYTES ?? 256 * MiB), partSize = Number(process.env.PART ?? 10 * MiB), rounds = Number(process.env.ROUNDS ?? 3);
const methods = (process.env.METHODS ?? 'buffer-1,buffer-4,buffer-8,buffer-64,ahead-1,ahead-2,ahead-4,sync-1,sync-4,sync-8,stream,byob-1,byob-4').split(',');
const counts = (process.env.WORKERS ?? '1,2').split(',').map(Number), sending = process.env.SENDING !== '0';
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const whole = (n) => n.toFixed(0).padStart(6);
const shown = (values) => `${median(values).toFixed(0)}/${Math.max(...values).toFixed(0)}`.padStart(9);

const work = await mkdtemp(join(process.env.TMPDIR ?? tmpdir(), 'partgate-bench-'));
const file = await randomFile(join(root, 'build', `file-${size}`), size);
await sha256(file);
await bundle({ hash: join(root, 'page/hash.js'), 'hash-worker': join(root, 'page/hash-worker.js') });
const minio = await startMinio(work, 'bench');
const site = await serve(0);
try {
  const at = { Bucket: 'bench', Key: 'hash' };
  const { UploadId } = await minio.client.send(new CreateMultipartUploadCommand(at));
  const urls = await Promise.all(Array.from({ length: Math.ceil(size / partSize) }, (_, i) =>
    getSignedUrl(minio.client, new UploadPartCommand({ ...at, UploadId, PartNumber: i + 1 }), { expiresIn: 36000 })));
  const call = (name, options) => `${name}(${JSON.stringify(options)})`;
  // Everything in one browser and in turn, so that all meet the same weather. Processor time is that of all of Chromium,
  // and on a machine that others use too it says more than rates do.
  const browser = await Chromium.launch();
  try {
    const page = await browser.open(`${site.origin}/hash.html`);
    await page.pick('#file', [file]);
    console.log('posting', JSON.stringify(await page.evaluate(call('posting', { partSize, times: 500 }))));
    console.log('MiB/s: median/best of', rounds, 'rounds;', size / MiB, 'MiB in parts of', partSize / MiB, 'MiB; CPU: milliseconds per MiB, hashed / only read');
    console.log('method      workers      hash  read only      CPU ms/MiB | while sending 6-way: hash   sending');
    const crcs = new Set(), lines = new Map();
    async function costed(options) {
      const before = await browser.cpu();
      const value = await page.evaluate(call('hashFile', options));
      return { ...value, cpu: (await browser.cpu() - before) * 1000 / (size / MiB) };
    }
    for (let round = 0; round < rounds; round++) {
      for (const method of methods) {
        for (const count of counts) {
          const options = { method, count, partSize };
          const key = `${method.padEnd(12)} ${count}`;
          const line = lines.get(key) ?? lines.set(key, { hash: [], read: [], cpu: [], cpu_read: [], both: [], sending: [] }).get(key);
          const hash = await costed(options);
          crcs.add(hash.crc);
          line.hash.push(hash.mibps);
          line.cpu.push(hash.cpu);
          const read = await costed({ ...options, hash: false });
          line.read.push(read.mibps);
          line.cpu_read.push(read.cpu);
          if (sending) {
            const both = await page.evaluate(call('hashWhileSending', { ...options, urls, connections: 6 }));
            line.both.push(both.mibps);
            line.sending.push(both.sending_mibps);
          }
          if (round + 1 === rounds) {
            console.log(`${key}       ${shown(line.hash)}  ${shown(line.read)}     ${median(line.cpu).toFixed(1)} / ${median(line.cpu_read).toFixed(1)}`
              + (sending ? ` |               ${shown(line.both)} ${shown(line.sending)}` : ''));
          }
        }
      }
    }
    if (sending) console.log('sending alone', whole(await page.evaluate(call('sendOnly', { urls, partSize, connections: 6, seconds: 5 }))), 'MiB/s');
    console.log('renderer', (await browser.memory()).renderer, 'MiB at most');
    if (crcs.size !== 1) throw new Error(`methods disagree: ${[...crcs]}`);
  } finally {
    await browser.close();
  }
  await minio.client.send(new AbortMultipartUploadCommand({ ...at, UploadId }));
} finally {
  await site.stop();
  await minio.stop();
  await rm(work, { recursive: true, force: true });
}
