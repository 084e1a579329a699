/** The store of a test file: the embedded one or MinIO, as `TEST_STORE` says. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { minioPath, PARTGATE } from './means.js';
import { freePort } from './ports.js';
import { type Bucket, createBucket } from './s3.js';
import { Server } from './server.js';

export type StoreName = 'embedded' | 'minio';

export const STORE = (process.env['TEST_STORE'] ?? 'embedded') as StoreName;

export interface Store extends Bucket {
  server: Server;
}

/** Starts it with an empty bucket that any page may upload to; it keeps its address when it is killed and started. */
export async function startStore(folder: string): Promise<Store> {
  mkdirSync(folder, { recursive: true });
  return STORE === 'minio' ? startMinio(folder) : startEmbedded(folder);
}

// `partgate dev` brings a gateway of its own, which nobody asks.
async function startEmbedded(folder: string): Promise<Store> {
  const [port, unused] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await Server.start({
    program: PARTGATE,
    arguments: ['dev', '--data', join(folder, 'data'), '--listen', `127.0.0.1:${unused}`, '--store-listen', `127.0.0.1:${port}`],
    environment: { RUST_LOG: 'warn' },
    log: join(folder, 'store.log'),
    ready: async () => (await fetch(`http://127.0.0.1:${unused}/readyz`)).ok,
  });
  return { server, endpoint, name: 'uploads', accessKeyId: 'partgate', secretAccessKey: 'partgate-dev-secret' };
}

async function startMinio(folder: string): Promise<Store> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const bucket: Bucket = { endpoint, name: 'uploads', accessKeyId: 'partgate', secretAccessKey: 'partgate-test-secret' };
  const server = await Server.start({
    program: minioPath()!,
    arguments: ['server', '--quiet', '--address', `127.0.0.1:${port}`, join(folder, 'data')],
    environment: { MINIO_ROOT_USER: bucket.accessKeyId, MINIO_ROOT_PASSWORD: bucket.secretAccessKey, MINIO_BROWSER: 'off' },
    log: join(folder, 'store.log'),
    // Its own /minio/health/ready says so some time before it stops answering 503 XMinioServerNotInitialized.
    ready: () => createBucket(bucket).then(() => true),
  });
  return { server, ...bucket };
}
