/** A tab with the library page. */
import type { BrowserContext, Page } from 'playwright-core';

import type { App, Options, Report } from './app.js';
import { until } from './wait.js';

// What app.ts leaves there; it is not loaded here.
declare const app: App;

/** States that nothing leaves by itself. */
const ENDS = new Set(['done', 'failed', 'aborted']);

export class Tab {
  readonly page: Page;
  /** Numbers that cannot be, of every report so far. */
  readonly lies: string[] = [];
  readonly #gateway: string;
  readonly #headers: Record<string, string>;

  private constructor(page: Page, gateway: string, headers: Record<string, string>) {
    this.page = page;
    this.#gateway = gateway;
    this.#headers = headers;
  }

  /** `headers` say who calls the gateway. */
  static async open(context: BrowserContext, url: string, gateway: string, headers: Record<string, string>): Promise<Tab> {
    const page = await context.newPage();
    const tab = new Tab(page, gateway, headers);
    await page.goto(url);
    await tab.#ready();
    return tab;
  }

  /** Everything that the page knew is gone but what the library remembers. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.#ready();
  }

  /** Chooses files, as the file dialog does. */
  async choose(...paths: string[]): Promise<void> {
    await this.page.locator('#files').setInputFiles(paths);
  }

  async chooseFolder(path: string): Promise<void> {
    await this.page.locator('#folder').setInputFiles(path);
  }

  /** Chooses a file and uploads it. */
  async upload(path: string, options: Options = {}): Promise<Run> {
    await this.choose(path);
    return this.begin(0, options);
  }

  async begin(index: number, options: Options = {}): Promise<Run> {
    const all = { gateway: this.#gateway, headers: this.#headers, ...options };
    return new Run(this, await this.page.evaluate(([index, options]) => app.begin(index, options), [index, all] as const));
  }

  /** Uploads everything that was chosen, through a queue. */
  async beginQueue(options: Options = {}): Promise<void> {
    const all = { gateway: this.#gateway, headers: this.#headers, ...options };
    await this.page.evaluate((options) => app.beginQueue(options), all);
  }

  queue(): Promise<ReturnType<App['queue']>> {
    return this.page.evaluate(() => app.queue());
  }

  unfinished(all = false): Promise<Awaited<ReturnType<App['unfinished']>>> {
    return this.page.evaluate(([caller, all]) => app.unfinished(caller, all), [{ gateway: this.#gateway, headers: this.#headers }, all] as const);
  }

  reports(): Promise<Report[]> {
    return this.page.evaluate(() => app.reports());
  }

  async #ready(): Promise<void> {
    await this.page.waitForFunction(() => typeof app === 'object');
  }
}

/** An upload in a tab. */
export class Run {
  readonly #tab: Tab;
  readonly #number: number;

  constructor(tab: Tab, number: number) {
    this.#tab = tab;
    this.#number = number;
  }

  async report(): Promise<Report> {
    const report = await this.#tab.page.evaluate((run) => app.report(run), this.#number);
    this.#tab.lies.splice(0, Infinity, ...report.lies);
    return report;
  }

  /** Waits until the report is so. Fails at once when the upload has ended otherwise. */
  async until(what: string, probe: (report: Report) => boolean, ms?: number): Promise<Report> {
    const seen = async () => {
      const report = await this.report();
      if (probe(report)) return report;
      if (ENDS.has(report.state)) throw new Error(`${report.state} before ${what}: ${JSON.stringify(report.error)}`);
      return null;
    };
    return until(what, seen, ms);
  }

  /** Waits until so many parts are stored. */
  stored(parts: number, ms?: number): Promise<Report> {
    return this.until(`${parts} parts are stored`, (report) => report.progress.storedParts >= parts, ms);
  }

  async done(ms?: number): Promise<Report> {
    return this.until('it is done', (report) => report.state === 'done', ms);
  }

  async failed(ms?: number): Promise<Report & { error: NonNullable<Report['error']> }> {
    const report = await this.until('it has failed', (report) => report.state === 'failed', ms);
    return { ...report, error: report.error! };
  }

  pause(): Promise<void> {
    return this.#tab.page.evaluate((run) => app.pause(run), this.#number);
  }

  resume(): Promise<void> {
    return this.#tab.page.evaluate((run) => app.resume(run), this.#number);
  }

  restart(): Promise<void> {
    return this.#tab.page.evaluate((run) => app.restart(run), this.#number);
  }

  abort(): Promise<void> {
    return this.#tab.page.evaluate((run) => app.abort(run), this.#number);
  }

  /** Aborts the signal that the upload was given. */
  signal(): Promise<void> {
    return this.#tab.page.evaluate((run) => app.signal(run), this.#number);
  }
}
