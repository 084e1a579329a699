/** The first ceiling; each further failure doubles it. */
const BASE_MS = 500;
const CAP_MS = 30_000;

/**
 * How long to wait after so many failures: a share `random` (0 to 1) of 0.5 s × 2ⁿ, at most 30 s. Full jitter, so that
 * many clients do not come back at once.
 */
export function backoffMs(failures: number, random: number): number {
  const doublings = Math.min(Math.max(failures - 1, 0), 16);
  return Math.min(BASE_MS * 2 ** doublings, CAP_MS) * random;
}

/** How much later than told one may come, at least. */
const TOLD_SPREAD_MS = 500;

/** How long to wait when told so: never less, and up to a quarter more, because many were told the same. */
export function toldMs(ms: number, random: number): number {
  return ms + Math.max(TOLD_SPREAD_MS, ms / 4) * random;
}
