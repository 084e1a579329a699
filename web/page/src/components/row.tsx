import type { Progress } from '@partgate/client';
import { errorWords, type ErrorWords } from '../error-words.js';
import { bytes, movingBytes, percent, rate, timeLeft } from '../format.js';
import { actionsFor, type Action, type Item, type Look } from '../model/item.js';
import { useChanges } from '../model/hooks.js';
import type { Session } from '../model/session.js';
import { lookWords, provenShort } from '../words.js';
import { Bar } from './bar.js';
import { IconButton } from './buttons.js';
import { Details } from './details.js';
import { Failure } from './failure.js';
import { FileName } from './file-name.js';
import { icon, type IconName } from './icons.js';
import { signOf } from './looks.js';
import type { RowPlace } from './virtual-list.js';

interface RowProps {
  item: Item;
  session: Session;
  place: RowPlace;
  /** One line for a failure, because there are many. */
  terse: boolean;
}

/** One file: what it is, how far it is, and what can be done. */
export function Row({ item, session, place, terse }: RowProps) {
  useChanges(item.changes);
  const { upload, look } = item;
  const { progress } = upload;
  const sign = signOf(look);
  const bar = showsBar(look, progress);
  const failed = look === 'failed' ? upload.error : null;
  const short = failed && terse && !item.open ? errorWords(failed, progress, session.gateway) : null;
  const detailsId = `details-${item.id}`;

  // A click beside the buttons opens the details too; whoever marks text with the mouse does not mean it.
  const clicked = (event: MouseEvent): void => {
    const target = event.target as Element;
    if (target.closest('button, a, input, canvas') || String(getSelection())) return;
    item.toggle();
  };

  return (
    <li
      {...place}
      class="row"
      data-testid="upload"
      data-id={item.id}
      data-name={upload.name}
      data-upload={upload.uploadId ?? undefined}
      data-state={upload.state}
      data-look={look}
      data-tone={sign.tone}
    >
      <div class="row-main" data-bar={bar || undefined} onClick={clicked}>
        <span class="sign">{icon(sign.icon)}</span>
        <div class="row-name">
          <FileName name={upload.name} />
          {item.folder && <span class="folder" title={item.folder}>{item.folder}</span>}
        </div>
        <p class="row-speed">{speed(look, progress) || <span class="narrow-only">{sentWords(look, progress)}</span>}</p>
        {bar && <RowBar look={look} progress={progress} name={upload.name} />}
        <p class="row-state">
          {lookWords(look, progress)}
          {look === 'done' && upload.result && <span class="quiet proof"> · {provenShort(upload.result)}</span>}
          {short && <span class="quiet"> · {short.what}</span>}
        </p>
        <p class="row-size"><Amount look={look} progress={progress} /></p>
        <div class="row-actions">
          {look === 'done' && upload.uploadId && session.access.open && (
            <a
              class="icon-button"
              href={`upload/${upload.uploadId}/file`}
              aria-label={`Download ${upload.name}`}
              title="Download"
              data-action="download"
              download
            >
              {icon('download')}
            </a>
          )}
          {/* Pause and resume are one button, so that it keeps the focus. */}
          {[...actionsOf(short), ...actionsFor(look)].map((action) => (
            <IconButton
              key={action === 'resume' ? 'pause' : action}
              icon={ACTIONS[action].icon}
              title={ACTIONS[action].title}
              label={`${ACTIONS[action].title}: ${upload.name}`}
              action={action}
              onClick={() => act(session, item, action)}
            />
          ))}
        </div>
        <button
          type="button"
          class="icon-button chevron"
          aria-expanded={item.open}
          aria-controls={item.open ? detailsId : undefined}
          aria-label={`Details: ${upload.name}`}
          title="Details"
          data-action="details"
          onClick={() => item.toggle()}
        >
          {icon('chevron')}
        </button>
      </div>
      {failed && !short && <Failure item={item} error={failed} session={session} />}
      {item.open && <Details id={detailsId} item={item} downloads={session.access.open} />}
    </li>
  );
}

const ACTIONS: Readonly<Record<Action, { icon: IconName; title: string }>> = {
  pause: { icon: 'pause', title: 'Pause' },
  resume: { icon: 'play', title: 'Resume' },
  cancel: { icon: 'close', title: 'Cancel' },
  remove: { icon: 'close', title: 'Remove from the list' },
  retry: { icon: 'retry', title: 'Try again' },
  restart: { icon: 'retry', title: 'Start anew' },
};

/** What a failure told in one line offers beside it; choosing a file needs the whole story. */
function actionsOf(words: ErrorWords | null): Action[] {
  const remedy = words?.remedies[0];
  return remedy === undefined || remedy === 'choose' ? [] : [remedy];
}

function act(session: Session, item: Item, action: Action): void {
  switch (action) {
    case 'pause':
      return session.pause(item);
    case 'resume':
      return void session.resume(item);
    case 'cancel':
      return void session.cancel(item);
    case 'remove':
      return session.remove(item);
    case 'retry':
      return void session.resume(item);
    case 'restart':
      return session.restart(item);
  }
}

function RowBar({ look, progress, name }: { look: Look; progress: Progress; name: string }) {
  const label = `Progress of ${name}`;
  const { totalBytes, storedBytes, sendingBytes, verifiedBytes } = progress;
  const share = (value: number): number => (totalBytes === 0 ? 0 : value / totalBytes);
  switch (look) {
    case 'finishing':
      return <Bar label={label} value={null} words={lookWords(look, progress)} stored={1} sending={0} />;
    // The object is there: what is read back of it is drawn over it.
    case 'verifying': {
      const verified = share(verifiedBytes ?? 0);
      const words = lookWords(look, progress);
      return <Bar label={label} value={Math.floor(verified * 100)} words={words} stored={verified} sending={1} />;
    }
    default: {
      const words = `${percent(progress.percent)}, ${bytes(storedBytes)} of ${bytes(totalBytes)} stored`;
      const value = Math.floor(progress.percent);
      return <Bar label={label} value={value} words={words} stored={share(storedBytes)} sending={share(sendingBytes)} />;
    }
  }
}

function showsBar(look: Look, { storedBytes }: Progress): boolean {
  switch (look) {
    case 'done':
    case 'aborted':
      return false;
    case 'idle':
    case 'waiting':
    case 'failed':
    case 'cancelling':
      return storedBytes > 0;
    case 'preparing':
    case 'checking':
    case 'uploading':
    case 'resuming':
    case 'retrying':
    case 'offline':
    case 'watching':
    case 'paused':
    case 'finishing':
    case 'verifying':
      return true;
  }
}

function speed(look: Look, { bytesPerSecond, secondsLeft }: Progress): string {
  if (look !== 'uploading' && look !== 'resuming') return '';
  if (bytesPerSecond === 0) return '';
  return secondsLeft === null ? rate(bytesPerSecond) : `${rate(bytesPerSecond)} · ${timeLeft(secondsLeft)}`;
}

/** In a narrow window only the percent stands beside the state; the bytes have the line below. */
function Amount({ look, progress }: { look: Look; progress: Progress }) {
  const sent = sentWords(look, progress);
  if (!sent) return <>{bytes(progress.totalBytes)}</>;
  return <><span class="wide-only">{sent} · </span>{percent(progress.percent)}</>;
}

/** `4.21 GB of 50 GB`; nothing when there is nothing or everything. */
function sentWords(look: Look, { totalBytes, storedBytes, sendingBytes }: Progress): string {
  const sent = storedBytes + sendingBytes;
  if (look === 'done' || look === 'finishing' || look === 'verifying' || sent === 0) return '';
  return `${movingBytes(sent)} of ${bytes(totalBytes)}`;
}
