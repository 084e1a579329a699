// Headless Chromium over the debugging pipe, with the Runtime and DOM commands only: playwright would enable the Network
// domain, which reports every chunk sent, and that costs speed.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const flags = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--remote-debugging-pipe',
];

export class Chromium {
  static async launch(path = process.env.CHROMIUM ?? '/usr/bin/chromium') {
    const browser = new Chromium();
    browser.profile = await mkdtemp(join(tmpdir(), 'partgate-bench-profile-'));
    browser.process = spawn(path, [...flags, `--user-data-dir=${browser.profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      detached: true,
    });
    browser.exited = new Promise((resolve) => browser.process.once('exit', resolve));
    const [, , , input, output] = browser.process.stdio;
    browser.input = input;
    input.on('error', () => {});
    browser.calls = new Map();
    browser.next = 0;
    let rest = '';
    output.setEncoding('utf8').on('data', (text) => {
      const messages = (rest + text).split('\0');
      rest = messages.pop();
      for (const message of messages) browser.#receive(JSON.parse(message));
    });
    browser.exited.then(() => {
      for (const { reject } of browser.calls.values()) reject(new Error('Chromium has exited'));
    });
    await browser.send('Browser.getVersion');
    return browser;
  }

  #receive({ id, result, error }) {
    const call = this.calls.get(id);
    if (!call) return;
    this.calls.delete(id);
    if (error) call.reject(new Error(`${call.method}: ${error.message}`));
    else call.resolve(result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.next;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject, method });
      this.input.write(JSON.stringify({ id, method, params, sessionId }) + '\0');
    });
  }

  async version() {
    return (await this.send('Browser.getVersion')).product;
  }

  /// A page at `url`, loaded. It is in front, so that its timers are not throttled. With `script`, whatever is at `url`
  /// becomes a page that runs it.
  async open(url, script = null) {
    const { targetId } = await this.send('Target.createTarget', { url });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId);
    const wait = async (expression) => {
      for (let tries = 0; !await page.evaluate(expression).catch(() => false); tries++) {
        if (tries > 500) throw new Error(`${url} did not load`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    if (script) {
      await wait(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`);
      await page.evaluate(`document.body.innerHTML = '<input type=file id=file multiple>'; import(${JSON.stringify(script)}).then(() => true)`);
    }
    await wait('window.ready === true');
    return page;
  }

  /// Peak resident memory in MiB: of the largest renderer, and of the browser process.
  async memory() {
    const found = { renderer: 0, browser: 0 };
    for (const pid of await descendants(this.process.pid)) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      const type = /--type=([a-z-]+)/.exec(command)?.[1] ?? 'browser';
      if (type in found) found[type] = Math.max(found[type], Math.round(peak));
    }
    return found;
  }

  /// Processor seconds that all its processes have used.
  async cpu() {
    let ticks = 0;
    for (const pid of await descendants(this.process.pid)) {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
      if (stat) ticks += stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13).reduce((sum, n) => sum + Number(n), 0);
    }
    return ticks / 100;
  }

  kill() {
    try {
      process.kill(-this.process.pid, 'SIGKILL');
    } catch { /* gone */ }
  }

  async close() {
    await Promise.race([this.send('Browser.close').catch(() => {}), new Promise((r) => setTimeout(r, 2000))]);
    const timer = setTimeout(() => this.kill(), 5000);
    await this.exited;
    clearTimeout(timer);
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

class Page {
  constructor(browser, sessionId) {
    this.browser = browser;
    this.sessionId = sessionId;
  }

  /// The value of an expression; a promise is awaited.
  async evaluate(expression) {
    const answer = await this.browser.send('Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true, userGesture: true }, this.sessionId);
    if (answer.exceptionDetails) {
      const { exception, text } = answer.exceptionDetails;
      throw new Error(exception?.description ?? JSON.stringify(exception?.value) ?? text);
    }
    return answer.result.value;
  }

  /// Picks files on disk, as a person would: they are read from there, not held in memory.
  async pick(selector, files) {
    const { result } = await this.browser.send('Runtime.evaluate',
      { expression: `document.querySelector(${JSON.stringify(selector)})` }, this.sessionId);
    await this.browser.send('DOM.setFileInputFiles', { objectId: result.objectId, files }, this.sessionId);
  }
}

async function descendants(root) {
  const parents = new Map();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (stat) parents.set(pid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const found = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (found.has(parent) && !found.has(pid)) { found.add(pid); grown = true; }
    }
  }
  return found;
}
