const MIB = 1 << 20;
/** The gateway's default, and the largest file that is one PUT. */
export const PART_SIZE_DEFAULT = 10 * MIB;
const SMALLEST = 5 * MIB;
const LARGEST = 64 * MIB;
/** Each part costs a round trip for the browser's preflight: a part should last long enough to make that small. */
const LASTS_SECONDS = 7;
/** A file should have this many parts, so that all connections are used and little is lost with one. */
const PARTS_MIN = 24;

/**
 * The part size to ask for, from what one connection managed last time; `undefined` leaves it to the gateway. Parts of
 * an upload are equal, so this cannot be changed on the way.
 */
export function wishedPartSize(size: number, bytesPerSecondOfOne: number | null): number | undefined {
  if (bytesPerSecondOfOne === null || !(bytesPerSecondOfOne > 0)) return undefined;
  const byRate = Math.min(Math.max(bytesPerSecondOfOne * LASTS_SECONDS, SMALLEST), LARGEST);
  const bySize = Math.max(size / PARTS_MIN, PART_SIZE_DEFAULT);
  return Math.ceil(Math.min(byRate, bySize) / MIB) * MIB;
}
