/** The first window. */
const START = 16;
/** The most that the gateway signs, and takes reports of, in one call. */
export const WINDOW_MAX = 1000;
/** How long a window should last at the measured rate. */
const LASTS_MS = 10_000;

/** How many parts to sign next, from the measured rate and the lifetime of a URL. */
export function windowSize(
  partsPerMs: number | null,
  urlLifetimeMs: number | null,
  concurrency: number,
): number {
  if (partsPerMs === null || !(partsPerMs > 0) || !Number.isFinite(partsPerMs)) return START;
  const lasting = (time: number) => Math.ceil(partsPerMs * time);
  // Fewer than the connections can take at once would leave some idle, however short the lifetime is.
  const least = Math.min(Math.max(concurrency, 1), WINDOW_MAX);
  const mostByLife = urlLifetimeMs === null ? WINDOW_MAX : lasting(urlLifetimeMs / 3);
  const most = Math.min(Math.max(mostByLife, least), WINDOW_MAX);
  return Math.min(Math.max(lasting(LASTS_MS), START), most);
}
