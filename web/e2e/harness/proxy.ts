/**
 * Stands before a store or a gateway, counts what passes, and does to it what networks do. Bodies stream through; the
 * Host header stays as it is, because URLs are signed for the proxy's address.
 */
import { type Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type Socket } from 'node:net';
import { PassThrough, Transform } from 'node:stream';

import { freePort } from './ports.js';
import { pause } from './wait.js';

/** A request that passed, or did not. */
export interface Seen {
  method: string;
  /** Without the query. */
  path: string;
  /** As it was asked for, with its query. */
  url: string;
  authorization: string | null;
  /** The number of the part that a PUT sends. */
  part: number | null;
  /** Bytes of the body that came from the client. */
  bytes: number;
  /** What the client was answered; none while it waits, or when the connection was cut. */
  status: number | null;
  /** Whether storage took it, even where the client was not told. */
  stored: boolean;
  /** Milliseconds since 1970. */
  at: number;
}

/** What is done to a request. */
export type Fault =
  /** A byte of the body is changed on its way. */
  | { do: 'corrupt'; at: number }
  /** It is answered here. The body is read first, as servers do that want to be heard. */
  | { do: 'answer'; status: number; headers?: Record<string, string>; body?: string }
  /** The connection is reset after so many bytes of the body. */
  | { do: 'cut'; after: number }
  /** Nothing more of the body is read after so many bytes, until `release`. */
  | { do: 'stall'; after: number }
  /** It goes through, and the answer waits until `release`. */
  | { do: 'hold' }
  /** It goes through, and the connection is reset instead of the answer. */
  | { do: 'lose' };

/** A fault that waits for requests. */
export interface Trap {
  /** How many requests it has hit. */
  hits: number;
  /** Ends it, and lets go of what it holds. */
  release(): void;
  /** Ends it, and resets the connections of what it holds, so that nothing of it reaches the store. */
  drop(): void;
}

interface Armed extends Trap {
  matches: (seen: Seen) => boolean;
  fault: Fault;
  left: number;
  released: Promise<void>;
  held: Set<IncomingMessage>;
}

const CATCH_UP_MS = 250;

// Said by real servers with the connection, not with the message.
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding']);

export class Proxy {
  readonly url: string;
  readonly seen: Seen[] = [];
  /** Of the bodies, both ways apart; all connections together. */
  bytesPerSecond = Infinity;
  /** Bytes of bodies that came from clients. */
  received = 0;
  /** Whether pages may not read the ETag. */
  hidesEtag = false;
  /**
   * Whether connections serve several requests. Chromium repeats a request by itself when a connection breaks that has
   * served others; without this, the page learns of every break.
   */
  keepsConnections = true;

  readonly #target: string;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #traps: Armed[] = [];
  #underWay = 0;
  #freeAt = 0;

  private constructor(target: string, port: number) {
    this.#target = target;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async before(target: string): Promise<Proxy> {
    const proxy = new Proxy(target, await freePort());
    await proxy.accept();
    return proxy;
  }

  /** Does this to the next `times` requests that match. */
  trap(matches: (seen: Seen) => boolean, fault: Fault, times = 1): Trap {
    let letGo = () => {};
    const released = new Promise<void>((resolve) => (letGo = resolve));
    const armed: Armed = {
      matches,
      fault,
      left: times,
      hits: 0,
      held: new Set(),
      released,
      release() {
        armed.left = 0;
        letGo();
      },
      drop() {
        for (const { socket } of armed.held) socket.resetAndDestroy();
        armed.release();
      },
    };
    this.#traps.push(armed);
    return armed;
  }

  /** Whether no request is under way. */
  get idle(): boolean {
    return this.#underWay === 0;
  }

  /** The PUTs of parts, or of this part. */
  puts(part?: number): Seen[] {
    return this.seen.filter((seen) => seen.method === 'PUT' && (part === undefined ? seen.part !== null : seen.part === part));
  }

  /** The numbers of the parts that storage has taken, each once. */
  storedParts(): Set<number> {
    return new Set(this.puts().filter((seen) => seen.stored).map((seen) => seen.part!));
  }

  /** Resets every connection, and refuses new ones until `accept`. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async accept(): Promise<void> {
    if (this.#server) return;
    const server = createServer((incoming, outgoing) => void this.#handle(incoming, outgoing));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.requestTimeout = 0;
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
  }

  async stop(): Promise<void> {
    for (const armed of this.#traps) armed.release();
    await this.refuse();
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url!, this.url);
    const seen: Seen = {
      method: incoming.method!,
      path: decodeURIComponent(url.pathname),
      url: incoming.url!,
      authorization: incoming.headers.authorization ?? null,
      // A file of one PUT is its own first part. A preflight names a part too, but it is none.
      part: incoming.method === 'PUT' ? Number(url.searchParams.get('partNumber') ?? 1) : null,
      bytes: 0,
      status: null,
      stored: false,
      at: Date.now(),
    };
    this.seen.push(seen);
    if (!this.keepsConnections) outgoing.shouldKeepAlive = false;
    this.#underWay += 1;
    outgoing.once('close', () => (this.#underWay -= 1));
    incoming.on('error', () => {});
    const armed = this.#traps.find((armed) => armed.left > 0 && armed.matches(seen));
    if (armed) {
      armed.left -= 1;
      armed.hits += 1;
      armed.held.add(incoming);
      outgoing.once('close', () => armed.held.delete(incoming));
    }
    const fault = armed?.fault;
    const body = this.#body(incoming, seen, armed);
    if (fault?.do === 'answer') {
      body.on('error', () => {}).resume();
      body.on('end', () => {
        seen.status = fault.status;
        outgoing.writeHead(fault.status, { ...readable(incoming), ...fault.headers }).end(fault.body);
      });
      return;
    }
    this.#forward(incoming, outgoing, body, seen, async () => {
      if (fault?.do === 'hold') await armed!.released;
      return fault?.do !== 'lose';
    });
  }

  #forward(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    body: NodeJS.ReadableStream,
    seen: Seen,
    mayAnswer: () => Promise<boolean>,
  ): void {
    const cut = () => void (incoming.socket.destroyed || incoming.socket.resetAndDestroy());
    const headers = kept(incoming.rawHeaders);
    // Only a message with a body may have this one, and it is the connection's, not the message's.
    if (incoming.headers['transfer-encoding']) headers.push('transfer-encoding', 'chunked');
    const options = { method: incoming.method, path: incoming.url, headers, agent: false as unknown as Agent };
    const forwarded = request(this.#target, options as object, async (answer) => {
      seen.stored = seen.method === 'PUT' && answer.statusCode === 200;
      answer.on('error', cut);
      if (!(await mayAnswer())) return cut();
      const answerHeaders = kept(answer.rawHeaders, this.hidesEtag);
      seen.status = answer.statusCode!;
      // Answered before everything was sent: the rest is for nobody, but browsers want to be rid of it.
      if (!incoming.complete) incoming.unpipe().resume();
      outgoing.writeHead(answer.statusCode!, answerHeaders);
      answer.pipe(this.#throttled()).pipe(outgoing);
    });
    forwarded.on('error', () => seen.status === null && cut());
    outgoing.once('close', () => forwarded.destroy());
    body.pipe(forwarded);
  }

  /** The body as it goes on, with what the fault does to it. */
  #body(incoming: IncomingMessage, seen: Seen, armed: Armed | undefined): NodeJS.ReadableStream {
    const fault = armed?.fault;
    const counted = new Transform({
      transform: (chunk: Buffer, _, done) => {
        const at = seen.bytes;
        seen.bytes += chunk.length;
        this.received += chunk.length;
        if (fault?.do === 'corrupt' && fault.at >= at && fault.at < seen.bytes) chunk[fault.at - at]! ^= 0x01;
        if (fault?.do === 'cut' && seen.bytes >= fault.after) return void incoming.socket.resetAndDestroy();
        const stalled = fault?.do === 'stall' && seen.bytes >= fault.after ? armed?.released : null;
        void Promise.resolve(stalled)
          .then(() => this.#turn(chunk.length))
          .then(() => done(null, chunk));
      },
    });
    return incoming.pipe(counted);
  }

  #throttled(): PassThrough | Transform {
    if (this.bytesPerSecond === Infinity) return new PassThrough();
    return new Transform({
      transform: (chunk: Buffer, _, done) => void this.#turn(chunk.length).then(() => done(null, chunk)),
    });
  }

  /** Waits until so many bytes may pass. */
  async #turn(bytes: number): Promise<void> {
    if (this.bytesPerSecond === Infinity) return;
    const now = Date.now();
    // A machine that has a lot to do is late; what it missed meanwhile may be caught up with.
    const from = Math.max(now - CATCH_UP_MS, this.#freeAt);
    this.#freeAt = from + (bytes / this.bytesPerSecond) * 1_000;
    if (from > now) await pause(from - now);
  }
}

/** What lets a page read an answer that was made up here. */
function readable(incoming: IncomingMessage): Record<string, string> {
  const { origin } = incoming.headers;
  if (!origin) return {};
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': 'ETag, Retry-After, Location' };
}

/** Header names and values in turn, without those of the connection. */
function kept(raw: string[], hidesEtag = false): string[] {
  const headers: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const [name, value] = [raw[index]!, raw[index + 1]!];
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower)) continue;
    if (hidesEtag && lower === 'access-control-expose-headers') continue;
    headers.push(name, value);
  }
  return headers;
}
