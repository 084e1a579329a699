import type { ChecksumAlgorithm } from '@partgate/client';

/** The gateway is where the page is, which may be below a path of the host. */
export const HERE = './';

/** What the gateway wrote into the page about itself. Every field may be absent: the page works without. */
export interface Gateway {
  version?: string;
  /** Whether callers must prove who they are. */
  auth?: 'open' | 'required';
  store?: string;
  bucket?: string;
  prefix?: string;
  max_size?: number;
  part_size?: number;
  lifetime_seconds?: number;
  url_ttl_seconds?: number;
  checksum_algorithms?: ChecksumAlgorithm[];
}

/** From the strongest that is fast to the weakest that is better than none. */
const PREFERRED: readonly ChecksumAlgorithm[] = ['crc64nvme', 'crc32c', 'crc32', 'sha256', 'sha1', 'md5', 'none'];

/** Reads the settings; a page served by something else shows itself without them. */
export function readGateway(page: Document): Gateway {
  try {
    return JSON.parse(page.getElementById('gateway')?.textContent ?? '{}') as Gateway;
  } catch {
    return {};
  }
}

/** How parts are protected here: the best that the gateway's storage understands; `undefined` leaves it to the client. */
export function bestChecksum(gateway: Gateway): ChecksumAlgorithm | undefined {
  const offered = gateway.checksum_algorithms;
  return offered && PREFERRED.find((algorithm) => offered.includes(algorithm));
}
