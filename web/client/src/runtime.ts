/** What differs between a page, a worker and Node, and the clock. */

const started = Date.now();

/**
 * Milliseconds since some moment, never backwards. The wall clock counts where it is ahead, because the monotonic one
 * stands still while a laptop sleeps and URLs expire meanwhile; a clock that jumps ahead costs fresh URLs, no more.
 */
export function now(): number {
  latest = Math.max(latest, performance.now(), Date.now() - started);
  return latest;
}
let latest = 0;

/** Whether the browser says that there is no network. A hint: it is wrong both ways. */
export function isOffline(): boolean {
  return typeof navigator !== 'undefined' && navigator.onLine === false;
}

/** Calls back when the browser says that the network came or went; the answer stops that. */
export function onNetworkChange(listener: () => void): () => void {
  if (typeof globalThis.addEventListener !== 'function') return () => undefined;
  for (const name of ['online', 'offline']) globalThis.addEventListener(name, listener);
  return () => {
    for (const name of ['online', 'offline']) globalThis.removeEventListener(name, listener);
  };
}

/** Waits, unless `signal` is aborted before: then it throws its reason. `wake` ends the wait. */
export function sleep(ms: number, signal: AbortSignal, wake?: (end: () => void) => () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let unsubscribe: (() => void) | undefined;
    const end = () => {
      clearTimeout(timer);
      unsubscribe?.();
      signal.removeEventListener('abort', end);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    unsubscribe = wake?.(end);
    if (signal.aborted) end();
  });
}

/** The value, unless `signal` is aborted before: then its reason is thrown. */
export function unlessAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    void value.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** A fresh id for a call that may be repeated. `crypto.randomUUID` needs a secure context. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
