/**
 * What `hash-worker.js` is made of: a worker that hashes Blobs, or, where there are no workers, a module that does it
 * right here.
 */
import { type HashKind, type Identified, hashBlob, identify } from './algorithms.js';

/** What is to be computed of a Blob: its digest, or what it is known by. */
export type Task = { kind: HashKind } | { purpose: string | null; checksum: HashKind | null };

export type HashResult = { id: number; value: Uint8Array | Identified } | { id: number; error: { name: string; message: string } };

export function carryOut(blob: Blob, task: Task): Promise<Uint8Array | Identified> {
  return 'kind' in task ? hashBlob(blob, task.kind) : identify(blob, task.purpose, task.checksum);
}

declare const WorkerGlobalScope: (new () => unknown) | undefined;

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<{ id: number; blob: Blob; task: Task }>) => void;
  postMessage(result: HashResult | 'ready'): void;
  name?: string;
};

// Only in a worker that the pool started: the module may be imported by an app's own worker too.
if (typeof WorkerGlobalScope !== 'undefined' && scope.name === 'partgate-hash') {
  scope.onmessage = ({ data: { id, blob, task } }) => {
    carryOut(blob, task).then(
      (value) => scope.postMessage({ id, value }),
      (error: unknown) => {
        const { name, message } = error instanceof Error ? error : new Error(String(error));
        scope.postMessage({ id, error: { name, message } });
      },
    );
  };
  scope.postMessage('ready');
}
