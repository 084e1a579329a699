/** One tab uploads a file, the others watch: Web Locks, and a channel that says how it ended. */

const CHANNEL = 'partgate';
/** The lock outlives an ending by this, so that those who wait hear of it before they get the lock. */
const LINGER_MS = 1_000;

/** How the holder ended, if there is nothing left to do for others: the upload is completed, or was aborted. */
export type Ending = { completed: string } | 'aborted';

/** What those who wait are told. */
interface Announcement {
  lock: string;
  ending: Ending;
}

export interface Lock {
  /** How whoever held the lock before has ended, if that was the end of it. */
  before: Ending | null;
  /** Lets go; whoever waits learns of the ending. */
  release(ending: Ending | null): void;
}

/** Opened once: a queue of small files announces hundreds. */
let announcements: BroadcastChannel | undefined;

/** Whether locks exist here: not in Node 20, and not in pages without a secure context. */
const locks = (): LockManager | undefined => (globalThis as { navigator?: Navigator }).navigator?.locks;

/**
 * Takes the lock. When another holds it, `onWait` is called and the lock is waited for.
 *
 * Rejects when `signal` is aborted before.
 */
export async function takeLock(name: string, signal: AbortSignal, onWait: () => void): Promise<Lock> {
  const manager = locks();
  if (manager === undefined) return { before: null, release() {} };
  const release = await request(manager, name, { ifAvailable: true });
  if (release !== null) return held(name, release, null);
  const channel = new BroadcastChannel(CHANNEL);
  let before: Ending | null = null;
  channel.onmessage = ({ data }: MessageEvent<Announcement>) => {
    if (data.lock === name) before = data.ending;
  };
  try {
    onWait();
    const waited = await request(manager, name, { signal });
    return held(name, waited ?? (() => undefined), before);
  } finally {
    channel.close();
  }
}

function held(name: string, release: () => void, before: Ending | null): Lock {
  return {
    before,
    release(ending) {
      if (ending === null) {
        release();
        return;
      }
      announcements ??= new BroadcastChannel(CHANNEL);
      announcements.postMessage({ lock: name, ending } satisfies Announcement);
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
