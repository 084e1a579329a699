/** A key or grant on its way into the page: pasted, in the address bar, or kept by this tab. */
import { HERE } from './gateway.js';

/** What tokens are made of (https://www.rfc-editor.org/rfc/rfc6750#section-2.1). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
/** How the tokens of single uploads begin. */
const UPLOAD_TOKEN_MARK = 'pgu_';
/** Some copy the whole header. */
const SCHEME = /^(authorization:\s*)?bearer\s+/i;

/** Why a text is no credential. */
export type NotUsable = 'malformed' | 'upload_token';

/** The credential in what somebody gave. */
export function readCredential(text: string): { credential: string } | { trouble: NotUsable } {
  const credential = text.trim().replace(SCHEME, '');
  if (!TOKEN.test(credential)) return { trouble: 'malformed' };
  return credential.startsWith(UPLOAD_TOKEN_MARK) ? { trouble: 'upload_token' } : { credential };
}

/** The credential of a link to the page, `#token=…`. A fragment is not sent to servers. */
export function credentialOfFragment(fragment: string): string | null {
  return new URLSearchParams(fragment.replace(/^#/, '')).get('token');
}

/** Takes it out of the address bar and the history, so that it is neither seen, copied nor bookmarked. */
export function takeFromAddress({ location, history }: Window): string | null {
  const credential = credentialOfFragment(location.hash);
  if (credential !== null) history.replaceState(history.state, '', location.pathname + location.search);
  return credential;
}

/** Where a credential is kept while the tab lives. */
export interface Keep {
  read(): string | null;
  /** `null` forgets it. */
  write(credential: string | null): void;
}

/** sessionStorage: a reload keeps it, another tab and the next start of the browser do not have it. */
export function tabStorage({ location }: Window): Keep {
  const name = `partgate/credential/${new URL(HERE, location.href).pathname}`;
  return {
    read() {
      try {
        return sessionStorage.getItem(name);
      } catch {
        return null;
      }
    },
    write(credential) {
      try {
        if (credential === null) sessionStorage.removeItem(name);
        else sessionStorage.setItem(name, credential);
      } catch {
        // Forbidden: it is asked for again after a reload.
      }
    },
  };
}
