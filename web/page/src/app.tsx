import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Button } from './components/buttons.js';
import { DropArea } from './components/drop-area.js';
import { Filter, FILTER_FROM, isShown, type Shown } from './components/filter.js';
import { NoteList } from './components/notes.js';
import { Overall } from './components/overall.js';
import { QuestionDialog } from './components/question.js';
import { Row } from './components/row.js';
import { SignIn } from './components/sign-in.js';
import { UnfinishedSection } from './components/unfinished.js';
import { VirtualList, type RowPlace } from './components/virtual-list.js';
import { Logo } from './components/logo.js';
import { useChanges } from './model/hooks.js';
import type { Item } from './model/item.js';
import type { Access } from './model/access.js';
import type { Announcer } from './model/announcer.js';
import type { Session } from './model/session.js';
import { SIGN_OUT } from './sign-in-words.js';
import { destinationWords } from './words.js';

/** With more failures than these, each is told in one line; its details have the rest. */
const FAILURES_SPELLED_OUT = 3;

/** The page. */
export function App({ session }: { session: Session }) {
  const { access } = session;
  useChanges(session.list, access.changes);
  const main = useFocusAfterSignIn(access);
  const destination = destinationWords(session.gateway);
  const busy = session.items.length > 0;
  return (
    <>
      <header class="top">
        <Logo />
        <h1 class="top-title">partgate</h1>
        {destination && busy && (
          <p class="top-destination" title="Where files go">
            <span class="quiet">uploads to</span> <strong>{destination.bucket}</strong>
          </p>
        )}
        {access.signedIn && (
          <span class="sign-out">
            <Button action="sign-out" onClick={() => void session.signOut()}>{SIGN_OUT}</Button>
          </span>
        )}
      </header>
      <main class="main" data-busy={busy || undefined} ref={main} tabIndex={-1}>
        {access.wanted && <SignIn session={session} alone={!busy} />}
        {busy && <Overall session={session} />}
        {!access.wanted && <UnfinishedSection session={session} />}
        {!access.wanted && <DropArea session={session} compact={busy} />}
        {busy && <Uploads session={session} />}
      </main>
      <NoteList notes={session.notes} />
      <QuestionDialog question={session.question} />
      <LiveRegion announcer={session.announcer} />
    </>
  );
}

/** The form that had the focus is gone then; without this, the next Tab would begin at the top of the window. */
function useFocusAfterSignIn(access: Access) {
  const main = useRef<HTMLElement>(null);
  const asked = useRef(access.wanted);
  useEffect(() => {
    if (asked.current && !access.wanted && document.activeElement === document.body) main.current?.focus();
    asked.current = access.wanted;
  }, [access.wanted]);
  return main;
}

function Uploads({ session }: { session: Session }) {
  const [shown, setShown] = useState<Shown>('all');
  const counts = session.counts();
  const filtered = counts.total >= FILTER_FROM;
  const crowded = counts.failed > FAILURES_SPELLED_OUT;
  const row = useCallback(
    (item: Item, place: RowPlace) => <Row item={item} session={session} place={place} terse={crowded} />,
    [session, crowded],
  );
  const items = filtered ? session.items.filter((item) => isShown(item, shown)) : session.items;
  return (
    <section class="section" aria-label="Uploads">
      {filtered && <Filter shown={shown} counts={counts} onChange={setShown} />}
      <div class="card">
        <VirtualList
          items={items}
          label="Uploads"
          render={row}
        />
        {items.length === 0 && <p class="nothing">Nothing here now.</p>}
      </div>
    </section>
  );
}

function LiveRegion({ announcer }: { announcer: Announcer }) {
  useChanges(announcer.changes);
  return <p class="off-screen" aria-live="polite" data-testid="announcer">{announcer.words}</p>;
}
