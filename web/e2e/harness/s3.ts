/** A look into storage past the gateway: lists, signed with Signature Version 4. */
import { createHash, createHmac } from 'node:crypto';

export interface Bucket {
  endpoint: string;
  name: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** The keys of all objects that begin with `prefix`. */
export async function objects(bucket: Bucket, prefix: string): Promise<string[]> {
  return values('Key', await call(bucket, 'GET', { 'list-type': '2', prefix }));
}

/** The ids of the multipart uploads of `key`: exactly this one, because that is all that MinIO lists by. */
export async function multiparts(bucket: Bucket, key: string): Promise<string[]> {
  return values('UploadId', await call(bucket, 'GET', { prefix: key, uploads: '' }));
}

/** Makes it where it is not there. */
export async function createBucket(bucket: Bucket): Promise<void> {
  await call(bucket, 'PUT', {}).catch((error: Error) => {
    if (!error.message.includes('BucketAlreadyOwnedByYou')) throw error;
  });
}

function values(tag: string, xml: string): string[] {
  const found = xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, 'g'));
  return [...found].map(([, text]) => text!.replace(/&(amp|lt|gt|quot|#39|apos);/g, (_, name) => ENTITIES[name as keyof typeof ENTITIES]));
}

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", apos: "'" };

async function call(bucket: Bucket, method: string, query: Record<string, string>): Promise<string> {
  const encode = (text: string) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const queryString = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
  const path = `/${bucket.name}`;
  const { host } = new URL(bucket.endpoint);
  const now = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${now.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const payload = 'UNSIGNED-PAYLOAD';
  const canonical = [method, path, queryString, `host:${host}`, `x-amz-content-sha256:${payload}`, `x-amz-date:${now}`, '', 'host;x-amz-content-sha256;x-amz-date', payload].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', now, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const signingKey = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${bucket.secretAccessKey}`);
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${bucket.accessKeyId}/${scope}, ` +
    `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${hmac(signingKey, toSign).toString('hex')}`;
  const answer = await fetch(`${bucket.endpoint}${path}?${queryString}`, {
    method,
    headers: { authorization, 'x-amz-content-sha256': payload, 'x-amz-date': now },
    signal: AbortSignal.timeout(30_000),
  });
  const body = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}?${queryString}: ${answer.status} ${body}`);
  return body;
}
