// What the uploads go to: one MinIO with its data on disk, and the gateway's release build in front of it.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { openSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { S3Client, CreateBucketCommand } from '@aws-sdk/client-s3';

export const credentials = { accessKeyId: 'bench-access', secretAccessKey: 'bench-secret-key' };
export const region = 'us-east-1';

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function s3(endpoint) {
  return new S3Client({
    endpoint, region, credentials, forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

function start(command, args, { env, log }) {
  const output = openSync(log, 'a');
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', output, output] });
  const exited = new Promise((resolve, reject) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', reject);
  });
  return {
    pid: child.pid,
    exited,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

async function answers(url, process, name) {
  let gone = null;
  process.exited.then((code) => { gone = `exited with ${code}`; }, (error) => { gone = error.message; });
  for (let tries = 0; tries < 600; tries++) {
    if (gone) throw new Error(`${name}: ${gone}`);
    if (await fetch(url).then((answer) => answer.ok, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} does not answer at ${url}`);
}

export async function startMinio(work, bucket) {
  const data = join(work, 'minio');
  await mkdir(data, { recursive: true });
  const port = await freePort();
  const binary = process.env.MINIO ?? join(homedir(), '.cache/partgate-tools/bin/minio');
  const process_ = start(binary, ['server', data, '--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${await freePort()}`], {
    env: { MINIO_ROOT_USER: credentials.accessKeyId, MINIO_ROOT_PASSWORD: credentials.secretAccessKey, MINIO_BROWSER: 'off' },
    log: join(work, 'minio.log'),
  });
  const endpoint = `http://127.0.0.1:${port}`;
  await answers(`${endpoint}/minio/health/live`, process_, 'MinIO');
  const client = s3(endpoint);
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    endpoint, client, data, pid: process_.pid,
    async stop() {
      client.destroy();
      await process_.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/// The gateway in front of the same bucket, with SQLite.
export async function startGateway(work, { endpoint, bucket }) {
  const port = await freePort();
  const binary = process.env.PARTGATE ?? fileURLToPath(new URL('../../../target/release/partgate', import.meta.url));
  const url = `http://127.0.0.1:${port}`;
  const process_ = start(binary, ['serve'], {
    env: {
      PARTGATE_LISTEN: `127.0.0.1:${port}`,
      PARTGATE_DATABASE: `sqlite://${join(work, 'partgate.db')}`,
      PARTGATE_STORAGE__ENDPOINT: endpoint,
      PARTGATE_STORAGE__REGION: region,
      PARTGATE_STORAGE__BUCKET: bucket,
      PARTGATE_STORAGE__ACCESS_KEY_ID: credentials.accessKeyId,
      PARTGATE_STORAGE__SECRET_ACCESS_KEY: credentials.secretAccessKey,
      PARTGATE_CORS__ORIGINS: 'http://127.0.0.1:*',
    },
    log: join(work, 'partgate.log'),
  });
  await answers(`${url}/readyz`, process_, 'partgate');
  return { url, pid: process_.pid, stop: process_.stop };
}

/// Processor seconds of a process.
export async function cpuOf(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (!stat) return 0;
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13).reduce((sum, n) => sum + Number(n), 0) / 100;
}
