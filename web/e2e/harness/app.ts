/** Runs in the library page: somebody's app, which keeps a record of everything that the library tells. */
import {
  findUnfinished,
  type Notice,
  type PartEvent,
  type Progress,
  type State,
  Upload,
  type Uploaded,
  UploadError,
  type UploadOptions,
  UploadQueue,
} from '../../client/src/index.js';

/** What a run was, in a form that leaves the browser. */
export interface Report {
  name: string;
  uploadId: string | null;
  partSize: number;
  state: State;
  states: State[];
  progress: Progress;
  notices: Notice['code'][];
  failedParts: PartEvent[];
  storedParts: number[];
  error: { code: string; message: string; resumable: boolean; storageCode?: string; part?: number; status?: number } | null;
  result: Uploaded | null;
  /** How often `fetchToken` was asked, and why. */
  tokenCalls: { expired: boolean }[];
  /** Numbers that cannot be. */
  lies: string[];
}

/** Options that can be sent to the browser. */
export interface Options extends Omit<UploadOptions, 'fetchToken' | 'signal' | 'handle' | 'gateway' | 'headers'> {
  gateway?: string | string[];
  headers?: Record<string, string>;
  /** What `fetchToken` gives, one after the other; the last again and again. */
  tokens?: string[];
}

class Run {
  readonly states: State[] = [];
  readonly notices: Notice['code'][] = [];
  readonly failedParts: PartEvent[] = [];
  readonly storedParts: number[] = [];
  readonly tokenCalls: { expired: boolean }[] = [];
  readonly lies: string[] = [];
  readonly stop = new AbortController();
  readonly upload: Upload;
  #before: Progress | null = null;
  #uploadId: string | null = null;

  constructor(file: Blob, { tokens, ...options }: Options, add?: (options: UploadOptions) => Upload) {
    const all: UploadOptions = { ...options, signal: this.stop.signal };
    if (tokens) {
      all.fetchToken = (why) => {
        this.tokenCalls.push(why);
        return tokens[Math.min(this.tokenCalls.length, tokens.length) - 1]!;
      };
    }
    this.upload = add ? add(all) : new Upload(file, all);
    this.upload.on('state', (state) => this.states.push(state));
    this.upload.on('notice', ({ code }) => this.notices.push(code));
    this.upload.on('part', (part) => (part.state === 'stored' ? this.storedParts.push(part.number) : this.failedParts.push(part)));
    this.upload.on('progress', (progress) => this.#check(progress));
    // The tests ask for the error; a rejection that nobody handles would be one more.
    this.upload.done.catch(() => {});
    if (!add) this.upload.start();
  }

  report(): Report {
    const { upload } = this;
    const { error } = upload;
    return {
      name: upload.name,
      uploadId: upload.uploadId,
      partSize: upload.partSize,
      state: upload.state,
      states: this.states,
      progress: upload.progress,
      notices: this.notices,
      failedParts: this.failedParts,
      storedParts: this.storedParts,
      error: error && {
        code: error.code,
        message: error.message,
        resumable: error.resumable,
        ...(error.storageCode !== undefined && { storageCode: error.storageCode }),
        ...(error.part !== undefined && { part: error.part }),
        ...(error.problem !== undefined && { status: error.problem.status }),
      },
      result: upload.result,
      tokenCalls: this.tokenCalls,
      lies: this.lies,
    };
  }

  #check(now: Progress): void {
    const lie = (what: string) => void (this.lies.length < 10 && this.lies.push(`${what}: ${JSON.stringify(now)}`));
    const before = this.#before;
    this.#before = now;
    if (now.percent < 0 || now.percent > 100) lie('percent');
    if (now.percent === 100 && this.upload.result === null) lie('100 percent before it is done');
    if (now.storedBytes + now.sendingBytes > now.totalBytes) lie('more than everything');
    if (now.storedParts > now.totalParts) lie('more parts than there are');
    if (Object.values(now).some((value) => typeof value === 'number' && !Number.isFinite(value))) lie('no number');
    const goesOn = this.upload.uploadId === this.#uploadId && this.states.at(-1) === 'uploading';
    this.#uploadId = this.upload.uploadId;
    if (before && goesOn && now.storedBytes < before.storedBytes) lie(`stored went back from ${before.storedBytes}`);
  }
}

const runs: Run[] = [];
let queue: UploadQueue | null = null;

const app = {
  partgate: { Upload, UploadQueue, UploadError, findUnfinished },

  files(): File[] {
    const inputs = [...document.querySelectorAll<HTMLInputElement>('input')];
    return inputs.flatMap((input) => [...(input.files ?? [])]);
  },

  /** Uploads a chosen file; answers the run's number. */
  begin(index: number, options: Options): number {
    const file = app.files()[index];
    if (!file) throw new Error(`no file ${index} was chosen`);
    return runs.push(new Run(file, options)) - 1;
  },

  /** Uploads all chosen files through a queue. */
  beginQueue(options: Options): number {
    const made = (queue = new UploadQueue(options as UploadOptions));
    for (const file of app.files()) runs.push(new Run(file, {}, (own) => made.add(file, own)));
    return runs.length;
  },

  queue(): { total: number; done: number; failed: number; active: number; percent: number } {
    const { total, done, failed, active, percent } = queue!.progress;
    return { total, done, failed, active, percent };
  },

  report: (run: number): Report => runs[run]!.report(),
  reports: (): Report[] => runs.map((run) => run.report()),
  pause: (run: number) => runs[run]!.upload.pause(),
  resume: (run: number) => runs[run]!.upload.resume(),
  restart: (run: number) => runs[run]!.upload.restart(),
  abort: (run: number) => runs[run]!.upload.abort(),
  signal: (run: number) => runs[run]!.stop.abort(),

  async unfinished(caller: { gateway: string; headers: Record<string, string> }, all: boolean) {
    const found = await findUnfinished({ ...caller, all });
    return found.map(({ uploadId, name, size, storedBytes, remembered }) => ({ uploadId, name, size, storedBytes, remembered }));
  },
};

export type App = typeof app;

declare global {
  // Tests reach it through `page.evaluate`.
  var app: App;
}
globalThis.app = app;
