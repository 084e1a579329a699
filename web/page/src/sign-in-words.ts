/** Every word about signing in and out. */
import { plural } from './format.js';
import type { SignInTrouble } from './model/access.js';
import type { QuestionWords } from './words.js';

/** The words of the sign-in card. */
export const SIGN_IN = {
  title: 'Sign in to upload',
  why: 'Paste the API key or the grant that you were given.',
  label: 'Key or grant',
  action: 'Sign in',
  checking: 'Signing in…',
  kept: 'It is kept in this tab only, until you sign out or close it.',
} as const;

export const SIGN_OUT = 'Sign out';

/** Why somebody is not signed in, and what to do. */
export function signInTroubleWords(trouble: SignInTrouble): string {
  switch (trouble) {
    case 'malformed':
      return 'This is neither a key nor a grant: those have no spaces, and only letters, digits and a few signs. Copy it again, as a whole.';
    case 'upload_token':
      return 'This is the token of a single upload. Signing in takes an API key (it begins with pgk_) or a grant.';
    case 'refused':
      return 'The gateway does not accept this key or grant. It may be incomplete, expired or revoked.';
    case 'ended':
      return 'The gateway no longer accepts your key or grant. Sign in again, and your uploads go on.';
    case 'unreachable':
      return 'The gateway could not be asked. Check the connection, then try again.';
  }
}

export function signOutQuestion(uploads: number): QuestionWords {
  return {
    title: 'Sign out?',
    text: `${uploads === 1 ? 'An upload stops' : `${plural(uploads, 'upload')} stop`}. What is stored is kept, and can be gone on with after signing in again.`,
    yes: 'Sign out',
    no: 'Stay',
  };
}
