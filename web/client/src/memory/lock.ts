/** One tab uploads a file, the others watch: Web Locks, and a channel that says how it ended. */

const CHANNEL = 'partgate';
/** The lock outlives success by this, so that those who wait hear of it before they get the lock. */
const LINGER_MS = 1_000;

/** What a watcher is told when the holder has finished. */
interface Finished {
  lock: string;
  uploadId: string;
}

export interface Lock {
  /** The upload was completed by whoever held the lock before. */
  finishedBefore: string | null;
  /** Lets go; with an upload id, whoever waits learns that it is completed. */
  release(completedUploadId: string | null): void;
}

/** Whether locks exist here: not in Node 20, and not in pages without a secure context. */
const locks = (): LockManager | undefined => (globalThis as { navigator?: Navigator }).navigator?.locks;

/**
 * Takes the lock. When another holds it, `onWait` is called and the lock is waited for.
 *
 * Rejects when `signal` is aborted before.
 */
export async function takeLock(name: string, signal: AbortSignal, onWait: () => void): Promise<Lock> {
  const manager = locks();
  if (manager === undefined) return { finishedBefore: null, release() {} };
  const release = await request(manager, name, { ifAvailable: true });
  if (release !== null) return held(name, release, null);
  const channel = new BroadcastChannel(CHANNEL);
  let finishedBefore: string | null = null;
  channel.onmessage = ({ data }: MessageEvent<Finished>) => {
    if (data.lock === name) finishedBefore = data.uploadId;
  };
  try {
    onWait();
    const waited = await request(manager, name, { signal });
    return held(name, waited ?? (() => undefined), finishedBefore);
  } finally {
    channel.close();
  }
}

function held(name: string, release: () => void, finishedBefore: string | null): Lock {
  return {
    finishedBefore,
    release(completedUploadId) {
      if (completedUploadId === null) {
        release();
        return;
      }
      const channel = new BroadcastChannel(CHANNEL);
      channel.postMessage({ lock: name, uploadId: completedUploadId } satisfies Finished);
      channel.close();
      setTimeout(release, LINGER_MS);
    },
  };
}

/** The function that releases the lock; `null` when it is not available. */
function request(manager: LockManager, name: string, options: LockOptions): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    const keep = (lock: globalThis.Lock | null) => {
      if (lock === null) {
        resolve(null);
        return undefined;
      }
      return new Promise<void>((release) => resolve(release));
    };
    manager.request(name, options, keep).catch(reject);
  });
}
