import { Upload, UploadQueue } from '@partgate/client';
import { files, timed } from './call.js';

// In a page of the gateway's own origin the worker comes from another; a script of its own may import it.
const url = new URL('./hash-worker.js', import.meta.url);
const workerUrl = url.origin === location.origin ? undefined
  : URL.createObjectURL(new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' }));
const here = workerUrl && { workerUrl };

window.run = (options) => timed(async () => {
  const upload = new Upload(files()[0], { ...options, ...here }).start();
  const { completion, sentParts, retries } = await upload.done;
  return { key: completion.key, sentParts, retries };
});
window.runMany = (options) => timed(async () => {
  const queue = window.queue = new UploadQueue({ ...options, ...here });
  for (const file of files()) queue.add(file);
  await queue.idle;
  const bad = queue.uploads.filter(({ state }) => state !== 'done');
  if (bad.length) throw new Error(`${bad.length} not done: ${bad[0].state} ${bad[0].error?.message}`);
  return { sent: queue.uploads.length };
});
window.ready = true;
