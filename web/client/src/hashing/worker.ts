/**
 * What `hash-worker.js` is made of: a worker that hashes Blobs, or, where there are no workers, a module that does it
 * right here.
 */
import { type HashKind, hashBlob } from './algorithms.js';

export { hashBlob };

export interface HashJob {
  id: number;
  blob: Blob;
  kind: HashKind;
}

export type HashResult =
  | { id: number; digest: Uint8Array }
  | { id: number; error: { name: string; message: string } };

declare const WorkerGlobalScope: (new () => unknown) | undefined;

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<HashJob>) => void;
  postMessage(result: HashResult | 'ready'): void;
  name?: string;
};

// Only in a worker that the pool started: the module may be imported by an app's own worker too.
if (typeof WorkerGlobalScope !== 'undefined' && scope.name === 'partgate-hash') {
  scope.onmessage = ({ data: { id, blob, kind } }) => {
    hashBlob(blob, kind).then(
      (digest) => scope.postMessage({ id, digest }),
      (error: unknown) => {
        const { name, message } = error instanceof Error ? error : new Error(String(error));
        scope.postMessage({ id, error: { name, message } });
      },
    );
  };
  scope.postMessage('ready');
}
