/** A server as a process of its own, that can be killed and started again at the same address. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import { bounded, until } from './wait.js';

// Kills the server when its own standard input ends, so that nothing outlives the tests, however they end.
const WATCHDOG = 'log=$1; shift; "$@" >>"$log" 2>&1 & echo $!; while read -r _; do :; done; kill -9 $! 2>/dev/null; wait $! 2>/dev/null; true';

export interface Command {
  program: string;
  arguments: string[];
  environment?: Record<string, string>;
  /** The file that its output is added to. */
  log: string;
  /** Whether it can take requests. */
  ready: () => Promise<boolean>;
}

export class Server {
  readonly #command: Command;
  #watchdog: ChildProcess | null = null;
  #pid = 0;

  private constructor(command: Command) {
    this.#command = command;
  }

  static async start(command: Command): Promise<Server> {
    const server = new Server(command);
    await server.start().catch(async (error: unknown) => {
      // Nobody else knows of it, and it would keep the run from ending.
      await server.kill();
      throw error;
    });
    return server;
  }

  async start(): Promise<void> {
    const { program, log, ready } = this.#command;
    const watchdog = spawn('sh', ['-c', WATCHDOG, 'watchdog', log, program, ...this.#command.arguments], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...this.#command.environment },
      stdio: ['pipe', 'pipe', 'inherit'],
      // Ctrl-C ends the tests; the watchdog ends the server.
      detached: true,
    });
    this.#watchdog = watchdog;
    const [line] = (await bounded(`${program} has a process`, once(watchdog.stdout!, 'data'))) as [Buffer];
    this.#pid = Number(line.toString());
    await until(
      `${program} is ready`,
      () => {
        if (!this.alive) throw new Error(`${program} ended at once:\n${this.log}`);
        return bounded('an answer', ready(), 5_000).catch(() => false);
      },
      60_000,
    );
  }

  /** Ends it without any warning (SIGKILL). */
  async kill(): Promise<void> {
    const watchdog = this.#watchdog;
    if (!watchdog) return;
    this.#watchdog = null;
    const ended = once(watchdog, 'close');
    watchdog.stdin!.end();
    await bounded(`${this.#command.program} has ended`, ended);
  }

  get log(): string {
    return readFileSync(this.#command.log, 'utf8');
  }

  private get alive(): boolean {
    try {
      // A process that has ended and was not waited for still has its id.
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${this.#pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  }
}
