import { useEffect, useRef, useState } from 'preact/hooks';
import { filesOf, walkHandle } from '../files/dropped.js';
import type { FoundFile } from '../files/found.js';
import { filesOfInput, pickFiles, pickFolder } from '../files/picked.js';
import { count } from '../format.js';
import type { Session } from '../model/session.js';
import { destinationWords, nothingFound, promiseWords, unreadable } from '../words.js';
import { Button } from './buttons.js';
import { icon } from './icons.js';

/** Found files join the queue in lots, so that the first ones start while a large folder is still read. */
const LOT = 100;

/** Takes files and folders: dropped anywhere on the page, pasted, or chosen. Large while there is nothing else. */
export function DropArea({ session, compact }: { session: Session; compact: boolean }) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [found, setFound] = useState<number | null>(null);

  const take = async (
    start: (unreadable: (path: string) => void) => AsyncIterable<FoundFile>,
  ): Promise<void> => {
    const missed: string[] = [];
    let lot: FoundFile[] = [];
    let total = 0;
    for await (const file of start((path) => missed.push(path))) {
      lot.push(file);
      total += 1;
      if (lot.length < LOT) continue;
      session.add(lot);
      lot = [];
      setFound(total);
    }
    session.add(lot);
    setFound(null);
    if (missed.length > 0) session.notes.error(unreadable(missed));
    else if (total === 0) session.notes.error(nothingFound());
  };

  const over = useDrops((transfer) => void take((missed) => filesOf(transfer, missed)));

  const chooseFiles = async (): Promise<void> => {
    const picked = await pickFiles({ multiple: true });
    if (picked === null) files.current?.click();
    else session.add(picked);
  };
  const chooseFolder = async (): Promise<void> => {
    const picked = await pickFolder();
    if (picked === null) folder.current?.click();
    else if (picked !== 'closed') await take((missed) => walkHandle(picked, '', missed));
  };
  const fromInput = (input: HTMLInputElement): void => {
    session.add(filesOfInput(input));
    // The same file may be chosen again.
    input.value = '';
  };

  return (
    <section class="drop-section" aria-label="Add files">
      <div class="drop" data-testid="drop" data-compact={compact || undefined} data-over={over || undefined}>
        <span class="drop-icon">{icon('upload')}</span>
        <p class="drop-title">{over ? 'Let go to upload' : compact ? 'Drop more files or folders' : 'Drop files or folders here'}</p>
        <div class="drop-buttons">
          <Button kind={compact ? 'plain' : 'primary'} icon="plus" action="choose-files" onClick={() => void chooseFiles()}>
            {compact ? 'Add files' : 'Choose files'}
          </Button>
          <Button icon="folder" action="choose-folder" onClick={() => void chooseFolder()}>
            {compact ? 'Add a folder' : 'Choose a folder'}
          </Button>
        </div>
        <input ref={files} type="file" multiple hidden data-testid="files" onChange={(event) => fromInput(event.currentTarget)} />
        <input
          ref={(element) => {
            folder.current = element;
            element?.setAttribute('webkitdirectory', '');
          }}
          type="file"
          multiple
          hidden
          data-testid="folder"
          onChange={(event) => fromInput(event.currentTarget)}
        />
      </div>
      {found !== null && <p class="quiet-line">Reading the folder… {count(found)} files so far</p>}
      {!compact && <Destination session={session} />}
      {over && compact && <div class="drop-veil" aria-hidden="true"><span>Let go to upload</span></div>}
    </section>
  );
}

function Destination({ session }: { session: Session }) {
  const destination = destinationWords(session.gateway);
  return (
    <p class="quiet-line" data-testid="promise">
      {destination && <span>Files go to <strong>{destination.bucket}</strong> {destination.at}. </span>}
      {promiseWords(session.gateway).map((words) => <span key={words}>{words} </span>)}
    </p>
  );
}

/** Drops and pastes anywhere on the page; answers whether files hang over it. */
function useDrops(drop: (transfer: DataTransfer) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(drop);
  latest.current = drop;
  useEffect(() => {
    const bringsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const onOver = (event: DragEvent): void => {
      if (!bringsFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
      setOver(true);
    };
    // Leaving an element for another one inside the page has a related target.
    const onLeave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent): void => {
      setOver(false);
      if (!bringsFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      latest.current(event.dataTransfer);
    };
    const onPaste = (event: ClipboardEvent): void => {
      if (event.clipboardData?.types.includes('Files')) latest.current(event.clipboardData);
    };
    addEventListener('dragenter', onOver);
    addEventListener('dragover', onOver);
    addEventListener('dragleave', onLeave);
    addEventListener('drop', onDrop);
    addEventListener('paste', onPaste);
    return () => {
      removeEventListener('dragenter', onOver);
      removeEventListener('dragover', onOver);
      removeEventListener('dragleave', onLeave);
      removeEventListener('drop', onDrop);
      removeEventListener('paste', onPaste);
    };
  }, []);
  return over;
}
