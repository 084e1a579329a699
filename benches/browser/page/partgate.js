import { Upload, UploadQueue } from '@partgate/client';
import { files, timed } from './call.js';

window.run = (options) => timed(async () => {
  const upload = new Upload(files()[0], options).start();
  const { completion, sentParts, retries } = await upload.done;
  return { key: completion.key, sentParts, retries };
});
window.runMany = (options) => timed(async () => {
  const queue = window.queue = new UploadQueue(options);
  for (const file of files()) queue.add(file);
  await queue.idle;
  const bad = queue.uploads.filter(({ state }) => state !== 'done');
  if (bad.length) throw new Error(`${bad.length} not done: ${bad[0].state} ${bad[0].error?.message}`);
  return { sent: queue.uploads.length };
});
window.ready = true;
