/** The checksum of a whole file from those of its parts. */
import type { ChecksumAlgorithm } from '../wire.js';
import { fromBase64, fromHex, toBase64 } from './bytes.js';

/** Width in bits and reflected polynomial. */
const CRCS: Partial<Record<ChecksumAlgorithm, { width: bigint; polynomial: bigint }>> = {
  crc64nvme: { width: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
  crc32c: { width: 32n, polynomial: 0x82f63b78n },
  crc32: { width: 32n, polynomial: 0xedb88320n },
};

/** The full-object checksum (base64) of parts in order; `null` for kinds that have none. */
export function fullObject(
  algorithm: ChecksumAlgorithm,
  parts: readonly (readonly [checksum: string, size: number])[],
): string | null {
  const crc = CRCS[algorithm];
  if (crc === undefined) return null;
  // Parts are equal but for the last: the factor of a length is computed once.
  const factors = new Map<number, bigint>();
  let whole = 0n;
  for (const [checksum, size] of parts) {
    let factor = factors.get(size);
    if (factor === undefined) factors.set(size, (factor = power(crc, BigInt(size) * 8n)));
    whole = multiply(crc, factor, whole) ^ number(checksum);
  }
  const hex = whole.toString(16).padStart(Number(crc.width / 4n), '0');
  return toBase64(fromHex(hex) ?? new Uint8Array());
}

function number(checksum: string): bigint {
  return fromBase64(checksum).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

type Crc = { width: bigint; polynomial: bigint };

/** a·b modulo the polynomial, reflected: the highest bit is x⁰. */
function multiply({ width, polynomial }: Crc, a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let bit = 1n << (width - 1n); a !== 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) {
      product ^= b;
      a ^= bit;
    }
    b = (b & 1n) === 0n ? b >> 1n : (b >> 1n) ^ polynomial;
  }
  return product;
}

/** x to the power of `exponent`, by squaring. */
function power(crc: Crc, exponent: bigint): bigint {
  let result = 1n << (crc.width - 1n);
  let square = 1n << (crc.width - 2n);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = multiply(crc, result, square);
    square = multiply(crc, square, square);
  }
  return result;
}
