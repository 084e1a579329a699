import { titleWords } from '../words.js';
import type { Session } from './session.js';

/** What the page does to its surroundings: title, the warning before closing, and keeping the screen awake. */
export function attachEffects(session: Session): void {
  let lock: WakeLockSentinel | null = null;
  let asking = false;

  const keepAwake = async (): Promise<void> => {
    const wanted = session.counts().moving > 0 && document.visibilityState === 'visible';
    if (!wanted) {
      void lock?.release();
      lock = null;
      return;
    }
    if (asking || (lock && !lock.released) || !('wakeLock' in navigator)) return;
    asking = true;
    // A battery saver may refuse; the upload goes on without.
    lock = await navigator.wakeLock.request('screen').catch(() => null);
    asking = false;
    // Everything may have been over before the answer came.
    if (lock) await keepAwake();
  };

  const warn = (event: BeforeUnloadEvent): void => {
    if (!session.leaving) event.preventDefault();
  };
  let warning = false;

  const update = (): void => {
    const counts = session.counts();
    document.title = titleWords(counts, session.queue.progress);
    // Only while it is needed: a page with this listener cannot be kept in the back/forward cache.
    if (warning !== counts.moving > 0) {
      warning = !warning;
      if (warning) window.addEventListener('beforeunload', warn);
      else window.removeEventListener('beforeunload', warn);
    }
    void keepAwake();
  };

  session.changes.subscribe(update);
  document.addEventListener('visibilitychange', update);
}
