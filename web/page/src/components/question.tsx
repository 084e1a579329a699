import { useEffect, useRef } from 'preact/hooks';
import { useChanges } from '../model/hooks.js';
import type { Question } from '../model/question.js';
import { Button } from './buttons.js';

/** Asks in the middle of the window. Escape and the first button are the safe answer. */
export function QuestionDialog({ question }: { question: Question }) {
  useChanges(question.changes);
  const dialog = useRef<HTMLDialogElement>(null);
  const { words } = question;
  useEffect(() => {
    if (words && !dialog.current?.open) dialog.current?.showModal();
    if (!words && dialog.current?.open) dialog.current.close();
  }, [words]);
  return (
    <dialog
      ref={dialog}
      class="question"
      data-testid="question"
      aria-labelledby="question-title"
      aria-describedby="question-text"
      onClose={() => words && question.answer(false)}
      onClick={(event) => event.target === dialog.current && question.answer(false)}
    >
      {words && (
        <div class="question-body">
          <h2 id="question-title">{words.title}</h2>
          <p id="question-text">{words.text}</p>
          <div class="question-buttons">
            <Button action="no" onClick={() => question.answer(false)}>{words.no}</Button>
            <Button kind="danger" action="yes" onClick={() => question.answer(true)}>{words.yes}</Button>
          </div>
        </div>
      )}
    </dialog>
  );
}
