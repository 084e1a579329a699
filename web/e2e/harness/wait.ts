/** Bounded waiting. Nothing in these tests sleeps for luck. */

const PAUSE_MS = 25;

/** Polls until `probe` answers something truthy, and answers that; fails with `what` after `ms`. */
export async function until<T>(what: string, probe: () => T | Promise<T>, ms = 30_000): Promise<NonNullable<T>> {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${ms / 1_000} s: ${what}`);
    await pause(PAUSE_MS);
  }
}

/** Fails if `probe` answers something truthy within `ms`: for what must not happen. */
export async function never(what: string, probe: () => unknown, ms: number): Promise<void> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (await probe()) throw new Error(`happened: ${what}`);
    await pause(PAUSE_MS);
  }
}

/** What `work` comes to; fails with `what` when it takes longer than `ms`, and lets it go on behind. */
export async function bounded<T>(what: string, work: Promise<T>, ms = 60_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms / 1_000} s: ${what}`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
