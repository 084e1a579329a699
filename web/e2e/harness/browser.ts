/** One Chromium per test file, one context per person. */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

import { chromiumPath } from './means.js';

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Tests have several tabs, and only one can be in front.
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
];

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath()!, args: FLAGS, headless: true });
}

/** What a page complained about. */
export interface Complaints {
  /** Uncaught errors: never fine. */
  errors: string[];
  /** The console's errors and warnings but failed requests, which the browser reports by itself. */
  console: string[];
}

/** Collects the complaints of every page of the context. */
export function listen(context: BrowserContext): Complaints {
  const complaints: Complaints = { errors: [], console: [] };
  context.on('page', (page: Page) => {
    page.on('pageerror', (error) => complaints.errors.push(error.stack ?? error.message));
    page.on('crash', () => complaints.errors.push('the tab crashed'));
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      // A request that the network, the store or the gateway refused: what the tests do on purpose.
      if (/^Failed to load resource|has been blocked by CORS policy/.test(message.text())) return;
      complaints.console.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
  });
  return complaints;
}
