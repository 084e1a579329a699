import { useEffect, useRef } from 'preact/hooks';
import { useChanges } from '../model/hooks.js';
import type { Session } from '../model/session.js';
import { SIGN_IN, signInTroubleWords } from '../sign-in-words.js';
import { icon } from './icons.js';

/** Asks for a key or grant. Alone on the page it takes the focus; above a list it leaves it where it is. */
export function SignIn({ session, alone }: { session: Session; alone: boolean }) {
  const { access } = session;
  useChanges(access.changes);
  const field = useRef<HTMLInputElement>(null);
  const { checking, trouble } = access;
  useNoDrops();
  useEffect(() => {
    if (alone) field.current?.focus();
  }, [alone]);
  useEffect(() => {
    // Whoever gave a wrong one gives another next.
    if (trouble && document.activeElement === field.current) field.current?.select();
  }, [trouble]);

  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (!checking) void session.signIn(field.current?.value ?? '');
  };

  return (
    <section class="card sign-in" data-testid="sign-in" aria-labelledby="sign-in-title">
      <h2 class="sign-in-title" id="sign-in-title">{SIGN_IN.title}</h2>
      <p id="sign-in-why">{SIGN_IN.why}</p>
      <form class="sign-in-form" onSubmit={submit} aria-busy={checking}>
        <label class="sign-in-label" for="credential">{SIGN_IN.label}</label>
        <input
          ref={field}
          class="field"
          id="credential"
          type="password"
          data-testid="credential"
          required
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-invalid={trouble !== null && trouble !== 'ended'}
          aria-describedby={`sign-in-why sign-in-kept${trouble ? ' sign-in-trouble' : ''}`}
        />
        <button type="submit" class="button button-primary" data-action="sign-in" aria-disabled={checking}>
          {checking ? SIGN_IN.checking : SIGN_IN.action}
        </button>
      </form>
      {/* Its place is always there, so that screen readers notice what comes into it. */}
      <div role="alert">
        {trouble && (
          <p class="sign-in-trouble" id="sign-in-trouble" data-testid="sign-in-trouble" data-trouble={trouble}>
            {icon('alert')} {signInTroubleWords(trouble)}
          </p>
        )}
      </div>
      <p class="hint" id="sign-in-kept">{SIGN_IN.kept}</p>
    </section>
  );
}

/** Without this the browser would leave the page for a file that is dropped on it. */
function useNoDrops(): void {
  useEffect(() => {
    const refuse = (event: DragEvent): void => {
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
    };
    addEventListener('dragover', refuse);
    addEventListener('drop', refuse);
    return () => {
      removeEventListener('dragover', refuse);
      removeEventListener('drop', refuse);
    };
  }, []);
}
