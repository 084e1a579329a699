import { bytes, count, movingBytes, percent, rate, timeLeft } from '../format.js';
import { useChanges } from '../model/hooks.js';
import type { Counts, Session } from '../model/session.js';
import { overallWords } from '../words.js';
import { Bar } from './bar.js';
import { Button } from './buttons.js';

/** The whole queue: how far, how long, and what can be done to all of it. Stays at the top while rows scroll. */
export function Overall({ session }: { session: Session }) {
  useChanges(session.changes);
  const counts = session.counts();
  const { progress } = session.queue;
  const share = (value: number): number => (progress.totalBytes === 0 ? 0 : value / progress.totalBytes);
  const sent = progress.storedBytes + progress.sendingBytes;
  const words = overallWords(counts, progress);
  const pauses = counts.running > 0;
  const open = counts.total - counts.done - counts.failed;
  return (
    <section class="overall" data-testid="overall" data-tone={tone(counts)} aria-labelledby="overall-title">
      <p class="overall-percent" aria-hidden="true">{percent(progress.percent)}</p>
      <div class="overall-words">
        <h2 id="overall-title">{words}</h2>
        <p class="overall-facts">
          <span>{open > 0 ? `${movingBytes(sent)} of ${bytes(progress.totalBytes)}` : bytes(progress.totalBytes)}</span>
          {counts.moving > 0 && progress.bytesPerSecond > 0 && <span>{rate(progress.bytesPerSecond)}</span>}
          {counts.moving > 0 && progress.secondsLeft !== null && <span class="left">{timeLeft(progress.secondsLeft)}</span>}
        </p>
      </div>
      <div class="overall-buttons">
        {/* One button, so that it keeps the focus. */}
        {(counts.running > 0 || counts.paused > 0) && (
          <Button
            kind={pauses ? 'plain' : 'primary'}
            icon={pauses ? 'pause' : 'play'}
            action={pauses ? 'pause-all' : 'resume-all'}
            onClick={() => (pauses ? session.pauseAll() : session.resumeAll())}
          >
            {pauses ? 'Pause all' : 'Resume all'}
          </Button>
        )}
        {open > 0 && <Button icon="close" action="cancel-all" onClick={() => void session.cancelAll()}>Cancel all</Button>}
        {counts.retryable > 1 && (
          <Button icon="retry" action="retry-failed" onClick={() => session.retryFailed()}>{`Try ${count(counts.retryable)} again`}</Button>
        )}
        {counts.done > 0 && open === 0 && (
          <Button action="clear-done" onClick={() => session.clearDone()}>Clear list</Button>
        )}
      </div>
      <Bar
        label="Progress of all files"
        value={Math.floor(progress.percent)}
        words={`${percent(progress.percent)}, ${words}`}
        stored={share(progress.storedBytes)}
        sending={share(progress.sendingBytes)}
      />
    </section>
  );
}

function tone(counts: Counts): string {
  if (counts.offline > 0 && counts.moving === 0) return 'attention';
  if (counts.running > 0) return 'active';
  if (counts.paused > 0) return 'quiet';
  return counts.failed > 0 ? 'bad' : 'good';
}
