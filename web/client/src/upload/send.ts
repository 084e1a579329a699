/** One attempt to send one part. */
import { retryAfterMs } from '../gateway/call.js';
import { now } from '../runtime.js';
import type { Outcome, Ticket } from '../transfer/transfer.js';

/** What one attempt needs. */
export interface Shipment {
  ticket: Ticket;
  body: Blob;
  stallAfterMs: number;
  /** Bytes handed to the connection so far. */
  onSent: (bytes: number) => void;
  /** Cuts the attempt; what came of it no longer matters. */
  signal: AbortSignal;
}

/** How often a part in flight is checked for a stall. */
const STALL_CHECK_MS = 1_000;

/** Sends a part. Never rejects; after `signal` was aborted the outcome means nothing. */
export function send(shipment: Shipment): Promise<Outcome> {
  // Only XMLHttpRequest tells how much was sent; Node has none.
  return typeof XMLHttpRequest === 'undefined' ? sendByFetch(shipment) : sendByXhr(shipment);
}

function sendByXhr({ ticket, body, stallAfterMs, onSent, signal }: Shipment): Promise<Outcome> {
  return new Promise((resolve) => {
    const started = now();
    let moved = started;
    const xhr = new XMLHttpRequest();
    const stallCheck = setInterval(() => {
      if (now() - moved > stallAfterMs) end({ stored: false, seen: { kind: 'stall' } });
    }, STALL_CHECK_MS);
    const cut = () => end({ stored: false, seen: { kind: 'network' } });
    const end = (outcome: Outcome) => {
      clearInterval(stallCheck);
      signal.removeEventListener('abort', cut);
      xhr.upload.onprogress = xhr.onload = xhr.onerror = null;
      if (xhr.readyState !== XMLHttpRequest.DONE) xhr.abort();
      resolve(outcome);
    };
    xhr.open('PUT', ticket.url);
    for (const [name, value] of Object.entries(ticket.headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = ({ loaded }) => {
      moved = now();
      onSent(loaded);
    };
    xhr.onload = () => {
      // Asking for a header that may not be read logs an error; the list of all does not.
      const headers = new Headers(
        xhr.getAllResponseHeaders().trim().split(/\r\n/).map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon), line.slice(colon + 1).trim()] as [string, string];
        }).filter(([name]) => name !== ''),
      );
      end(read(xhr.status, headers, xhr.responseText, ticket, started));
    };
    xhr.onerror = () => end({ stored: false, seen: { kind: 'network' } });
    signal.addEventListener('abort', cut);
    if (signal.aborted) cut();
    else xhr.send(untyped(ticket, body));
  });
}

async function sendByFetch({ ticket, body, stallAfterMs, onSent, signal }: Shipment): Promise<Outcome> {
  const started = now();
  const cut = new AbortController();
  const stop = () => cut.abort();
  let stalled = false;
  // Without progress, a whole part must pass in this time.
  const timer = setTimeout(() => {
    stalled = true;
    stop();
  }, Math.max(stallAfterMs * 4, 120_000));
  signal.addEventListener('abort', stop);
  try {
    const headers = { ...ticket.headers };
    const response = await fetch(ticket.url, { method: 'PUT', headers, body: untyped(ticket, body), signal: cut.signal });
    const text = await response.text();
    onSent(body.size);
    return read(response.status, response.headers, text, ticket, started);
  } catch {
    return { stored: false, seen: { kind: stalled ? 'stall' : 'network' } };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** A Blob with a type would be sent with a Content-Type that nobody signed, unless one is set. */
function untyped({ headers }: Ticket, body: Blob): Blob {
  const typed = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return typed || body.type === '' ? body : body.slice(0, body.size, '');
}

function read(status: number, headers: Headers, text: string, ticket: Ticket, started: number): Outcome {
  if (status >= 200 && status < 300) {
    return { stored: true, etag: headers.get('etag'), tookMs: now() - started };
  }
  const answer = {
    status,
    code: element(text, 'Code'),
    message: element(text, 'Message'),
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
    urlExpired: now() >= ticket.expires,
  };
  return { stored: false, seen: { kind: 'storage', answer } };
}

/** The text of the first `<name>` element of an S3 error; empty when there is none. */
export function element(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]{0,300})`).exec(xml)?.[1] ?? '';
  const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => entities[entity] ?? '').trim();
}
