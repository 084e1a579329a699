import { useChanges } from '../model/hooks.js';
import type { Notes } from '../model/notes.js';
import { IconButton } from './buttons.js';
import { icon } from './icons.js';

/** Messages at the foot of the window. Its place is always there, so that screen readers notice what comes into it. */
export function NoteList({ notes }: { notes: Notes }) {
  useChanges(notes.changes);
  return (
    <div class="notes" role="status" aria-live="polite">
      {notes.list.map((note) => (
        <div key={note.id} class="note" data-testid={note.error ? 'error' : 'note'} data-tone={note.error ? 'bad' : 'good'}>
          <span class="note-icon">{icon(note.error ? 'alert' : 'check')}</span>
          <p>{note.words}</p>
          <IconButton icon="close" title="Close" label="Close this message" action="close-note" onClick={() => notes.close(note.id)} />
        </div>
      ))}
    </div>
  );
}
