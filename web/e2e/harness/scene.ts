/** What a test stands in: a store and a browser for the file, a gateway and proxies for each test. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';

import type { Browser, BrowserContext } from 'playwright-core';

import { type Complaints, launch, listen } from './browser.js';
import { sparse, type TestFile, write } from './files.js';
import { type Auth, Gateway, type Settings } from './gateway.js';
import { Proxy } from './proxy.js';
import { LIBRARY_PAGE } from './means.js';
import { multiparts, objects } from './s3.js';
import { serve, type Site } from './static.js';
import { startStore, STORE, type Store, type StoreName } from './store.js';
import { Tab } from './tab.js';
import { bounded } from './wait.js';

export interface TestOptions {
  /** Settings of the gateway over the usual ones. */
  settings?: Settings;
  /** Whether callers must prove who they are; default: as `TEST_AUTH` says. */
  auth?: Auth;
  /** The stores that it is for; default: all. */
  stores?: StoreName[];
  /** Milliseconds; default one minute. */
  timeout?: number;
}

interface Stage {
  folder: string;
  store: Store;
  browser: Browser;
  site: Site;
}

/** Declares tests that share a store and a browser; to be called once in a file. */
export function stage(): (name: string, run: (scene: Scene) => Promise<void>, options?: TestOptions) => void {
  let shared: Stage | undefined;
  const folder = mkdtempSync(join(tmpdir(), 'partgate-e2e-'));
  const started: { what: string; stop: () => Promise<void> | void }[] = [];
  // What has started is stopped, also when what comes after it could not start.
  const start = async <T>(what: string, starting: Promise<T>, stop: (it: T) => Promise<void> | void): Promise<T> => {
    const it = await bounded(`${what} has started`, starting, 120_000);
    started.unshift({ what, stop: () => stop(it) });
    return it;
  };
  before(async () => {
    // One after the other: of several at once, those that started would outlive the one that could not.
    const browser = await start('Chromium', launch(), (browser) => browser.close());
    const site = await start('the library page', serve(LIBRARY_PAGE), (site) => site.stop());
    const store = await start('the store', startStore(join(folder, 'store')), (store) => store.server.kill());
    shared = { folder, store, browser, site };
  });
  after(async () => {
    for (const { what, stop } of started) {
      // All tests have been told by now. What does not stop is named, and the run goes on.
      await bounded(`${what} has stopped`, Promise.resolve(stop()), 60_000).catch(console.error);
    }
    rmSync(folder, { recursive: true, force: true });
    endWithoutWhatIsLeft();
  });
  let count = 0;
  return (name, run, options = {}) => {
    if (!(options.stores ?? [STORE]).includes(STORE)) return;
    test(name, { timeout: options.timeout ?? 60_000 }, async () => {
      count += 1;
      const scene = await Scene.set(shared!, join(folder, `${count}`), options);
      try {
        await run(scene);
        scene.expectNoComplaints();
      } catch (error) {
        await scene.explain();
        throw error;
      } finally {
        await scene.strike();
      }
    });
  };
}

/**
 * Ends this process in a while although something keeps it, and names that: one run in many has waited for a file whose
 * tests had all passed. A process that ends by itself is gone before.
 */
function endWithoutWhatIsLeft(): void {
  setTimeout(() => {
    console.error(`still here after everything was stopped: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit();
  }, 30_000).unref();
}

export class Scene {
  readonly store: Store;
  readonly browser: Browser;
  readonly gateway: Gateway;
  /** Between clients and the store. */
  readonly storeProxy: Proxy;
  /** Between clients and the gateway. */
  readonly gatewayProxy: Proxy;
  /** The library page. */
  readonly site: Site;
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #contexts: { context: BrowserContext; complaints: Complaints }[] = [];
  readonly #tabs: Tab[] = [];
  readonly #gateways: Gateway[] = [];
  readonly #proxies: Proxy[] = [];

  private constructor(stage: Stage, folder: string, settings: Settings, proxies: [Proxy, Proxy], gateway: Gateway) {
    this.store = stage.store;
    this.browser = stage.browser;
    this.site = stage.site;
    this.#folder = folder;
    this.#settings = settings;
    [this.storeProxy, this.gatewayProxy] = proxies;
    this.gateway = gateway;
    this.#proxies.push(...proxies);
    this.#gateways.push(gateway);
  }

  static async set(stage: Stage, folder: string, { settings = {}, auth }: TestOptions): Promise<Scene> {
    const storeProxy = await Proxy.before(stage.store.endpoint);
    const gateway = await Gateway.start(folder, stage.store, storeProxy.url, settings, auth).catch(async (error: unknown) => {
      // It would keep the run from ending.
      await storeProxy.stop();
      throw error;
    });
    const gatewayProxy = await Proxy.before(gateway.url);
    return new Scene(stage, folder, settings, [storeProxy, gatewayProxy], gateway);
  }

  async strike(): Promise<void> {
    await Promise.all(this.#contexts.map(({ context }) => context.close()));
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()));
    await Promise.all(this.#gateways.map((gateway) => gateway.server.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Another gateway over the same database and store, with a proxy before it. */
  async anotherGateway(): Promise<{ gateway: Gateway; proxy: Proxy }> {
    const gateway = await Gateway.start(this.#folder, this.store, this.storeProxy.url, this.#settings, this.gateway.key === null ? 'open' : 'required');
    const proxy = await Proxy.before(gateway.url);
    this.#gateways.push(gateway);
    this.#proxies.push(proxy);
    return { gateway, proxy };
  }

  /** A browser that has never been here: a person, or the same person on another device. */
  async device(): Promise<BrowserContext> {
    const context = await this.browser.newContext({ acceptDownloads: true });
    this.#contexts.push({ context, complaints: listen(context) });
    if (process.env['E2E_DIST']) {
      const files = join(process.env['PARTGATE_ROOT']!, 'web/page/dist');
      await context.route(/\/page\/[\w.-]+$/, async (route) => {
        const path = join(files, basename(new URL(route.request().url()).pathname));
        await route.fulfill({ response: await route.fetch(), body: readFileSync(path) });
      });
    }
    return context;
  }

  /** A tab with the library page, on a device of its own unless one is given. */
  async tab(context?: BrowserContext): Promise<Tab> {
    const tab = await Tab.open(context ?? (await this.device()), this.site.url, this.gatewayProxy.url, this.gateway.headers);
    this.#tabs.push(tab);
    return tab;
  }

  /** Where the library finds the gateway, and who calls. */
  get caller(): { gateway: string; headers: Record<string, string> } {
    return { gateway: this.gatewayProxy.url, headers: this.gateway.headers };
  }

  path(name: string): string {
    return join(this.#folder, 'files', name);
  }

  file(name: string, size: number, seed?: number): Promise<TestFile> {
    return write(this.path(name), size, seed);
  }

  async sparseFile(name: string, size: number): Promise<string> {
    const { path } = await this.file(name, 0);
    return sparse(path, size);
  }

  objects(prefix: string): Promise<string[]> {
    return objects(this.store, prefix);
  }

  multiparts(key: string): Promise<string[]> {
    return multiparts(this.store, key);
  }

  expectNoComplaints(): void {
    const all = this.#contexts.flatMap(({ complaints }) => [...complaints.errors, ...complaints.console]);
    const lies = this.#tabs.flatMap((tab) => tab.lies);
    if (all.length > 0) throw new Error(`the browser complained:\n${all.join('\n')}`);
    if (lies.length > 0) throw new Error(`progress was not true:\n${lies.join('\n')}`);
  }

  /** Prints what helps to understand a failure. */
  async explain(): Promise<void> {
    const tail = (text: string, lines: number) => text.trimEnd().split('\n').slice(-lines).join('\n');
    for (const tab of this.#tabs) {
      const reports = await tab.reports().catch(() => []);
      // What has gone well tells nothing, and of many that have not, the first do.
      const worth = reports.filter(({ state }, index) => state !== 'done' || index === reports.length - 1).slice(0, 5);
      for (const report of worth) console.error('upload:', JSON.stringify(report));
    }
    for (const proxy of this.#proxies) {
      // Addresses are signed, and what authorizes is a secret: neither tells more than the path does.
      const seen = proxy.seen.map(({ url: _, authorization, path, at, ...seen }) =>
        JSON.stringify({ ...seen, path: basename(path), authorized: authorization !== null, at: new Date(at).toISOString().slice(14, 23) }),
      );
      console.error(`proxy ${proxy.url}:\n${tail(seen.join('\n'), 25)}`);
    }
    for (const gateway of this.#gateways) console.error(`gateway ${gateway.url}:\n${tail(gateway.server.log, 15)}`);
    for (const { complaints } of this.#contexts) {
      const all = [...complaints.errors, ...complaints.console];
      if (all.length > 0) console.error(`browser:\n${all.join('\n')}`);
    }
    if (process.env['E2E_STORE_LOG']) console.error(`store:\n${tail(readFileSync(join(this.#folder, '../store/store.log'), 'utf8'), 30)}`);
  }
}
