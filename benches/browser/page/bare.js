import { call, files, timed } from './call.js';
import { put, putAll } from './xhr.js';

// URLs are there before the clock starts; the parts and the completion are timed.
window.run = async ({ key, partSize, connections = 6 }) => {
  const [file] = files();
  if (!partSize) {
    const [url] = await call('/sign/puts', { keys: [key] });
    return timed(async () => {
      await put(url, file);
      return { key };
    });
  }
  const { uploadId, urls } = await call('/sign/all', { key, size: file.size, partSize });
  return timed(async () => {
    const etags = await putAll(file, { urls, partSize, connections });
    await call('/sign/complete', { key, uploadId, parts: etags.map((ETag, i) => ({ PartNumber: i + 1, ETag })) });
    return { key };
  });
};

window.runMany = async ({ prefix, connections = 6, again = false }) => {
  const all = files();
  const urls = await call('/sign/puts', { keys: all.map(({ name }) => prefix + name) });
  async function loop() {
    let next = 0;
    await Promise.all(Array.from({ length: connections }, async () => {
      while (next < all.length) {
        const i = next++;
        await put(urls[i], all[i]);
      }
    }));
    return {};
  }
  // Again to the same URLs: their preflights are remembered.
  if (again) await loop();
  return timed(loop);
};
window.ready = true;
