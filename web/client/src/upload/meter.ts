import type { Gateway } from '../gateway/gateway.js';
import { Rate } from '../transfer/rate.js';
import type { Progress, State } from '../types.js';
import type { UploadStatus } from '../wire.js';
import type { Driver } from './driver.js';

/** What is known before anything is. */
export function noProgress(totalBytes: number): Progress {
  return {
    totalBytes,
    storedBytes: 0,
    sendingBytes: 0,
    percent: 0,
    bytesPerSecond: 0,
    secondsLeft: null,
    totalParts: 0,
    storedParts: 0,
    resumedParts: 0,
    connections: 0,
    retries: 0,
    retryInSeconds: null,
    verifiedBytes: null,
  };
}

/** Of bytes that are sent; 100 is for those that are proven. */
export function percentOf(sentBytes: number, totalBytes: number): number {
  return totalBytes === 0 ? 0 : Math.min(99.99, (sentBytes / totalBytes) * 100);
}

/** How far somebody else is with the same file. */
export function progressOf(status: UploadStatus, totalBytes: number): Progress {
  const { bytes_received: storedBytes, received_parts: storedParts, total_parts: totalParts } = status;
  const percent = percentOf(storedBytes, totalBytes);
  return { ...noProgress(totalBytes), storedBytes, storedParts, totalParts: totalParts ?? 0, percent };
}

/** Tells what a running transfer is doing, and how far it is. */
export class Meter {
  readonly #driver: Driver;
  readonly #gateway: Gateway;
  readonly #resumedParts: number;
  #rate: Rate | null = null;

  constructor(driver: Driver, gateway: Gateway, resumedParts: number) {
    this.#driver = driver;
    this.#gateway = gateway;
    this.#resumedParts = resumedParts;
  }

  measure(at: number): { state: State; progress: Progress } {
    const { transfer, paused, offline } = this.#driver;
    const { grid } = transfer.setup;
    const storedBytes = transfer.keptBytes;
    const sendingBytes = this.#driver.sendingBytes();
    const sentBytes = Math.min(grid.size, storedBytes + sendingBytes);
    this.#rate ??= new Rate(sentBytes, at);
    this.#rate.observe(sentBytes, at);
    const moving = !paused && !offline;
    const waits = moving ? this.#waitsMs(at) : null;
    const progress: Progress = {
      totalBytes: grid.size,
      storedBytes,
      sendingBytes,
      percent: percentOf(sentBytes, grid.size),
      bytesPerSecond: moving ? this.#rate.bytesPerSecond : 0,
      secondsLeft: moving ? this.#rate.secondsLeft(grid.size - sentBytes, at) : null,
      totalParts: grid.totalParts,
      storedParts: transfer.keptParts,
      resumedParts: this.#resumedParts,
      connections: transfer.inFlightParts,
      retries: transfer.retries,
      retryInSeconds: waits === null ? null : Math.ceil(waits / 1000),
      verifiedBytes: null,
    };
    const state = paused ? 'paused' : offline ? 'offline' : waits === null ? 'uploading' : 'retrying';
    return { state, progress };
  }

  /** Until something is tried again, when nothing else is going on; `null` otherwise. */
  #waitsMs(at: number): number | null {
    const { transfer } = this.#driver;
    if (transfer.inFlightParts > 0) return null;
    const { waitingUntil } = this.#gateway;
    return waitingUntil === null ? transfer.waitsMs(at) : Math.max(0, waitingUntil - at);
  }
}
