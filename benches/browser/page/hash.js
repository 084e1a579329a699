// Part hashing in workers; see hash.mjs.
import { putAll } from './xhr.js';

async function workers(count) {
  return Promise.all(Array.from({ length: count }, async () => {
    const worker = new Worker(new URL('./hash-worker.js', import.meta.url), { type: 'module' });
    await new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
    return worker;
  }));
}

function ask(worker, message) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
    worker.postMessage(message);
  });
}

const file = () => document.querySelector('#file').files[0];

window.hashFile = async ({ method, count, partSize, hash = true, passes = 1 }) => {
  const from = file();
  const all = await workers(count);
  for (const worker of all) await ask(worker, { blob: from.slice(0, partSize), method, hash });
  const crcs = [];
  const started = performance.now();
  for (let pass = 0; pass < passes; pass++) {
    let next = 0;
    await Promise.all(all.map(async (worker) => {
      for (let number = next++; number * partSize < from.size; number = next++) {
        crcs[number] = (await ask(worker, { blob: from.slice(number * partSize, (number + 1) * partSize), method, hash })).crc;
      }
    }));
  }
  const seconds = (performance.now() - started) / 1000;
  all.forEach((worker) => worker.terminate());
  return { seconds, mibps: passes * from.size / seconds / (1 << 20), crc: crcs.join().length < 1e6 ? crcs[0] : null };
};

// The same while parts are being sent; both rates over the time that hashing took.
window.hashWhileSending = async ({ urls, connections, ...options }) => {
  let sent = 0;
  const stop = new AbortController();
  const sending = putAll(file(), { urls, partSize: options.partSize, connections, signal: stop.signal, onBytes: (n) => { sent += n; }, again: true });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [before, started] = [sent, performance.now()];
  const result = await window.hashFile(options);
  const seconds = (performance.now() - started) / 1000;
  const sending_mibps = (sent - before) / seconds / (1 << 20);
  stop.abort();
  await sending.catch(() => {});
  return { ...result, sending_mibps };
};

window.sendOnly = async ({ urls, connections, partSize, seconds }) => {
  let sent = 0;
  const stop = new AbortController();
  const sending = putAll(file(), { urls, partSize, connections, signal: stop.signal, onBytes: (n) => { sent += n; }, again: true });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [before, started] = [sent, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const rate = (sent - before) / ((performance.now() - started) / 1000) / (1 << 20);
  stop.abort();
  await sending.catch(() => {});
  return rate;
};

// Microseconds: slicing and posting a part to a worker, and there and back again.
window.posting = async ({ times = 2000, partSize }) => {
  const [worker] = await workers(1);
  const from = file();
  const slice = (i) => from.slice((i * 4096) % (from.size - partSize), (i * 4096) % (from.size - partSize) + partSize);
  for (let i = 0; i < 200; i++) await ask(worker, { blob: slice(i), method: 'none' });
  let started = performance.now();
  for (let i = 0; i < times; i++) slice(i);
  const slicing = performance.now() - started;
  started = performance.now();
  for (let i = 0; i < times; i++) await ask(worker, { blob: slice(i), method: 'none' });
  const there_and_back = performance.now() - started;
  started = performance.now();
  for (let i = 0; i < times; i++) await ask(worker, { blob: null, method: 'none' });
  const without_blob = performance.now() - started;
  let left = times;
  const all = new Promise((resolve) => { worker.onmessage = () => { if (--left === 0) resolve(); }; });
  started = performance.now();
  for (let i = 0; i < times; i++) worker.postMessage({ blob: slice(i), method: 'none' });
  const posted = performance.now() - started;
  await all;
  worker.terminate();
  const us = (ms) => Math.round(ms / times * 10000) / 10;
  return { slice_us: us(slicing), slice_and_post_us: us(posted), round_trip_us: us(there_and_back), round_trip_without_blob_us: us(without_blob) };
};

window.ready = true;
