import type { Unfinished } from '@partgate/client';
import { useRef, useState } from 'preact/hooks';
import { pickFiles } from '../files/picked.js';
import { bytes, moment, until } from '../format.js';
import { useChanges, useEvery } from '../model/hooks.js';
import type { Session } from '../model/session.js';
import { notOpened } from '../words.js';
import { Bar } from './bar.js';
import { Button, IconButton } from './buttons.js';
import { FileName } from './file-name.js';
import { icon } from './icons.js';

const FIRST = 5;

/** Uploads that were begun before, each with what is needed to go on. */
export function UnfinishedSection({ session }: { session: Session }) {
  useChanges(session.unfinished.changes);
  useEvery(60_000);
  const [all, setAll] = useState(false);
  const { list } = session.unfinished;
  if (list.length === 0) return null;
  const shown = all ? list : list.slice(0, FIRST);
  return (
    <section class="section" aria-labelledby="unfinished-title">
      <h2 class="section-title" id="unfinished-title">Unfinished uploads</h2>
      <ul class="card rows">
        {shown.map((unfinished) => (
          <UnfinishedRow key={unfinished.uploadId} unfinished={unfinished} session={session} />
        ))}
      </ul>
      {list.length > shown.length && (
        <Button onClick={() => setAll(true)} action="show-all">{`Show ${list.length - shown.length} more`}</Button>
      )}
    </section>
  );
}

function UnfinishedRow({ unfinished, session }: { unfinished: Unfinished; session: Session }) {
  const input = useRef<HTMLInputElement>(null);
  const { name, size, storedBytes, startedAt, expiresAt, canOpen } = unfinished;
  const now = new Date();
  const share = size ? storedBytes / size : 0;
  const stored = size === null ? `${bytes(storedBytes)} stored` : `${bytes(storedBytes)} of ${bytes(size)} stored`;

  const choose = async (): Promise<void> => {
    const found = await pickFiles({ multiple: false });
    if (found === null) input.current?.click();
    else if (found[0]) session.proceed(unfinished, found[0].file, found[0].handle);
  };
  const proceed = async (): Promise<void> => {
    const file = await unfinished.openFile();
    if (file) return session.proceed(unfinished, file);
    // Choosing needs a click of its own: this one was used up by asking for the permission.
    session.notes.error(notOpened(name));
    setGone(true);
  };
  const [gone, setGone] = useState(false);
  const opens = canOpen && !gone;

  return (
    <li class="row" data-testid="unfinished" data-name={name} data-id={unfinished.uploadId} data-tone="attention">
      <div class="row-main unfinished-main">
        <span class="sign">{icon('resume')}</span>
        <div class="row-name"><FileName name={name} /></div>
        <Bar label={`Stored of ${name}`} value={Math.floor(share * 100)} words={stored} stored={share} sending={0} />
        <p class="unfinished-facts">
          <span>{stored}</span>
          <span>
            {unfinished.remembered ? 'Started' : 'Started elsewhere'} {moment(startedAt, now)} · expires {until(expiresAt, now)}
          </span>
        </p>
        <div class="unfinished-actions">
          <Button
            kind={opens ? 'primary' : 'plain'}
            icon={opens ? 'play' : 'file'}
            label={`${opens ? 'Continue' : 'Choose the file again'}: ${name}`}
            action={opens ? 'continue' : 'choose'}
            onClick={() => void (opens ? proceed() : choose())}
          >
            {opens ? 'Continue' : 'Choose the file again'}
          </Button>
          <IconButton
            icon="trash"
            title="Discard"
            label={`Discard: ${name}`}
            action="discard"
            onClick={() => void session.unfinished.discard(unfinished)}
          />
        </div>
      </div>
      <input
        ref={input}
        type="file"
        hidden
        data-testid="unfinished-file"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = '';
          if (file) session.proceed(unfinished, file);
        }}
      />
    </li>
  );
}
