// The bare loop: PUTs by XMLHttpRequest, so many in flight, and nothing else.
export function put(url, body, { signal, onBytes } = {}) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('PUT', url);
    if (onBytes) {
      let seen = 0;
      xhr.upload.onprogress = ({ loaded }) => { onBytes(loaded - seen); seen = loaded; };
    }
    xhr.onload = () => (xhr.status === 200 ? resolve(xhr.getResponseHeader('etag')) : reject(new Error(`${xhr.status} ${xhr.responseText}`)));
    xhr.onerror = () => reject(new Error('network error'));
    xhr.onabort = () => reject(new Error('aborted'));
    signal?.addEventListener('abort', () => xhr.abort(), { once: true });
    xhr.send(body);
  });
}

export async function putAll(file, { urls, partSize, connections, signal, onBytes, again = false }) {
  const etags = [];
  let next = 0;
  await Promise.all(Array.from({ length: connections }, async () => {
    while (next < urls.length && !signal?.aborted) {
      const number = next++;
      if (again && next === urls.length) next = 0;
      etags[number] = await put(urls[number], file.slice(number * partSize, (number + 1) * partSize), { signal, onBytes });
    }
  }));
  return etags;
}
