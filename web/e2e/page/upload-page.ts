/** A tab with the gateway's own page, through what a person sees of it and the hooks of page/README.md. */
import assert from 'node:assert/strict';

import type { BrowserContext, Locator, Page } from 'playwright-core';

import { MIB, type TestFile } from '../harness/files.js';
import type { Trap } from '../harness/proxy.js';
import type { Scene } from '../harness/scene.js';
import { until } from '../harness/wait.js';

/** A row of the list. */
export interface Row {
  name: string;
  state: string;
  look: string;
  /** The sentence about the state. */
  words: string;
  text: string;
}

/** Looks that nothing leaves by itself. */
const ENDS = new Set(['done', 'failed', 'aborted']);

const ACTION_MS = 10_000;

export class UploadPage {
  readonly page: Page;
  /** Where requests went, by origin; nothing that stays in the browser. */
  readonly origins = new Set<string>();
  /** The policy that the page lives under. */
  policy = '';
  readonly #url: string;

  private constructor(page: Page, url: string) {
    this.page = page;
    this.#url = url;
    page.setDefaultTimeout(ACTION_MS);
    page.context().on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol !== 'blob:' && protocol !== 'data:') this.origins.add(origin);
    });
  }

  static async open(scene: Scene, context?: BrowserContext, gateway: string = scene.gatewayProxy.url): Promise<UploadPage> {
    const opened = new UploadPage(await (context ?? (await scene.device())).newPage(), `${gateway}/`);
    const { key } = scene.gateway;
    // That of the scene is no key of another gateway.
    await opened.go(key === null || gateway !== scene.gatewayProxy.url ? '' : `#token=${key}`);
    await opened.at('drop').waitFor();
    return opened;
  }

  /** Where people have to sign in; `fragment` is that of a link. */
  static async openSignedOut(scene: Scene, context?: BrowserContext, fragment = ''): Promise<UploadPage> {
    const opened = new UploadPage(await (context ?? (await scene.device())).newPage(), `${scene.gatewayProxy.url}/`);
    await opened.go(fragment);
    return opened;
  }

  async go(fragment = ''): Promise<void> {
    const answer = await this.page.goto(this.#url + fragment);
    // Another fragment of the same page is no navigation.
    this.policy = (await answer?.headerValue('content-security-policy')) ?? this.policy;
  }

  /** Gives a key or grant, without a mouse. */
  async signIn(credential: string): Promise<void> {
    await this.at('credential').fill(credential);
    await this.at('credential').press('Enter');
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.at('drop').waitFor();
  }

  at(testId: string): Locator {
    return this.page.getByTestId(testId);
  }

  /** Chooses files, as the file dialog does. */
  async choose(...paths: string[]): Promise<void> {
    await this.at('files').setInputFiles(paths);
  }

  row(name: string): Locator {
    return this.page.locator(`[data-testid=upload][data-name=${JSON.stringify(name)}]`);
  }

  async act(name: string, action: string): Promise<void> {
    await this.row(name).locator(`[data-action=${action}]`).click();
  }

  async answer(answer: 'yes' | 'no'): Promise<void> {
    await this.at('question').locator(`[data-action=${answer}]`).click();
  }

  rows(): Promise<Row[]> {
    return this.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('[data-testid=upload]')].map((row) => ({
        name: row.dataset['name']!,
        state: row.dataset['state']!,
        look: row.dataset['look'] ?? row.dataset['state']!,
        words: row.querySelector<HTMLElement>('.row-state')?.innerText ?? '',
        text: row.innerText,
      })),
    );
  }

  /** Waits until the row is so. Fails at once when the upload has ended otherwise. */
  async untilRow(name: string, what: string, probe: (row: Row) => boolean, ms?: number): Promise<Row> {
    let last: Row | undefined;
    const seen = async () => {
      last = (await this.rows()).find((row) => row.name === name);
      if (last && probe(last)) return last;
      if (last && ENDS.has(last.look)) throw new Error(`${name} is ${last.look} before ${what}:\n${last.text}`);
      return null;
    };
    return until(what, seen, ms).catch((error: Error) => {
      throw new Error(`${error.message}\n${last ? `${last.look}: ${last.text}` : `there is no row of ${name}`}`);
    });
  }

  looks(name: string, look: string, ms?: number): Promise<Row> {
    return this.untilRow(name, `${name} looks ${look}`, (row) => row.look === look, ms);
  }

  /** Waits until a row that had failed does something again. */
  async goesOn(name: string): Promise<void> {
    await until(`${name} goes on`, async () => (await this.rows()).some((row) => row.name === name && row.look !== 'failed'));
  }

  /** Waits until every row is done. */
  async allDone(count: number, ms?: number): Promise<void> {
    const done = async () => {
      const rows = await this.rows();
      const failed = rows.find(({ look }) => look === 'failed');
      if (failed) throw new Error(`${failed.name} has failed:\n${failed.text}`);
      return rows.length === count && rows.every(({ look }) => look === 'done');
    };
    await until(`${count} files are done`, done, ms);
  }

  /** The id of an upload that is done. Where links work, the one to its object has it, too. */
  async uploadId(name: string): Promise<string> {
    const row = this.row(name);
    const id = await row.getAttribute('data-upload');
    assert.ok(id, `${name} has no upload id`);
    const link = row.locator('[data-action=download]');
    const signedIn = await this.page.locator('[data-action=sign-out]').count();
    if (signedIn === 0) assert.match((await link.getAttribute('href')) ?? '', new RegExp(`upload/${id}/file$`));
    return id;
  }

  /** What a person downloads from the row is the file, bit by bit. */
  async expectIdentical({ gateway }: Pick<Scene, 'gateway'>, file: TestFile, name: string): Promise<void> {
    const { size, sha256 } = await gateway.download(await this.uploadId(name));
    assert.deepEqual({ name, size, sha256 }, { name, size: file.size, sha256: file.sha256 });
  }

  /** The unfinished upload of this name, once it is offered. */
  async unfinished(name: string): Promise<Locator> {
    const row = this.page.locator(`[data-testid=unfinished][data-name=${JSON.stringify(name)}]`);
    await row.waitFor();
    return row;
  }

  /** Milliseconds from an input to the second frame after it, each time. */
  inputDelays(name: string, times: number): Promise<number[]> {
    return this.page.evaluate(
      async ([name, times]) => {
        const rows = [...document.querySelectorAll<HTMLElement>('[data-testid=upload]')];
        const map = rows.find((row) => row.dataset['name'] === name)!.querySelector('[data-testid=part-map] canvas')!;
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
        const delays: number[] = [];
        for (let round = 0; round < times; round += 1) {
          const began = performance.now();
          // A task of its own, as events of a mouse are.
          await new Promise((resolve) => setTimeout(resolve));
          const { x, y } = map.getBoundingClientRect();
          const at = { clientX: x + 5 + 10 * round, clientY: y + 5, bubbles: true };
          map.dispatchEvent(new PointerEvent('pointermove', at));
          await frame();
          await frame();
          delays.push(performance.now() - began);
        }
        return delays;
      },
      [name, times] as const,
    );
  }
}

export const PART_SIZE = 5 * MIB;
export const SETTINGS = { 'uploads.part_size': '5MiB' };

export interface UnderWay {
  file: TestFile;
  page: UploadPage;
  uploadId: string;
  key: string;
  /** Parts that wait in the proxy. */
  others: Trap;
}

/** Makes all parts but the first `stored` wait in the proxy. */
export function holdAfter(scene: Scene, stored: number): Trap {
  return scene.storeProxy.trap(({ part }) => part !== null && part > stored, { do: 'stall', after: MIB }, Infinity);
}

/** An upload of eight parts of which three are stored, while others have begun and wait. Wants `SETTINGS`. */
export async function underWay(scene: Scene, opened?: UploadPage): Promise<UnderWay> {
  const others = holdAfter(scene, 3);
  const file = await scene.file('a.bin', 38 * MIB);
  const page = opened ?? (await UploadPage.open(scene));
  await page.choose(file.path);
  await page.looks('a.bin', 'uploading');
  await until('three parts are stored, others have begun', () => scene.storeProxy.storedParts().size === 3 && others.hits > 0);
  const [upload] = await scene.gateway.list('open');
  return { file, page, uploadId: upload!.upload_id, key: upload!.key, others };
}

/** What storage has, and how many requests it took, as of now. */
export const asOfNow = ({ storeProxy }: Scene) => [storeProxy.storedParts(), storeProxy.seen.length] as const;
