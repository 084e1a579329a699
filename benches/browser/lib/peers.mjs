// The server side that the peers ask of an app: creating, signing and completing, with the AWS SDK; tus and better-upload
// bring their own.
import { createHmac } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand, CreateMultipartUploadCommand, PutObjectCommand, UploadPartCommand, AbortMultipartUploadCommand, ListPartsCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { handleRequest, route } from 'better-upload/server';
import { FileStore } from '@tus/file-store';
import { S3Store } from '@tus/s3-store';
import { Server as TusServer } from '@tus/server';
import { credentials, region } from './servers.mjs';

const MiB = 1 << 20;

export function peers({ client, endpoint, bucket, tusFiles }) {
  const object = (key) => ({ Bucket: bucket, Key: key });
  const sign = (command) => getSignedUrl(client, command, { expiresIn: 3600 });
  const part = (key, UploadId, PartNumber) => sign(new UploadPartCommand({ ...object(key), UploadId, PartNumber: Number(PartNumber) }));
  const create = async (key) => (await client.send(new CreateMultipartUploadCommand(object(key)))).UploadId;

  mkdirSync(tusFiles, { recursive: true });
  const tus = {
    '/tus-file': new TusServer({ path: '/tus-file', datastore: new FileStore({ directory: tusFiles }) }),
    '/tus-s3': new TusServer({
      path: '/tus-s3',
      datastore: new S3Store({ partSize: 10 * MiB, s3ClientConfig: { bucket, region, endpoint, credentials, forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' } }),
    }),
  };
  const better = {
    client, bucketName: bucket,
    routes: {
      default: route({ maxFileSize: 2 ** 40, multipart: true }),
      part10: route({ maxFileSize: 2 ** 40, multipart: true, partSize: 10 * MiB }),
      part64: route({ maxFileSize: 2 ** 40, multipart: true, partSize: 64 * MiB }),
      many: route({ multipleFiles: true, maxFiles: 10_000 }),
    },
  };

  const calls = {
    // Everything beforehand, for the bare loop.
    async '/sign/all'({ key, size, partSize }) {
      const uploadId = await create(key);
      const urls = await Promise.all(Array.from({ length: Math.ceil(size / partSize) }, (_, i) => part(key, uploadId, i + 1)));
      return { uploadId, urls };
    },
    '/sign/puts': ({ keys }) => Promise.all(keys.map((key) => sign(new PutObjectCommand(object(key))))),
    // Uppy 5
    async '/sign/create'({ key }) { return { key, uploadId: await create(key) }; },
    async '/sign/part'({ key, uploadId, partNumber }) { return { url: await part(key, uploadId, partNumber) }; },
    async '/sign/put'({ key }) { return { method: 'PUT', url: await sign(new PutObjectCommand(object(key))) }; },
    async '/sign/complete'({ key, uploadId, parts }) {
      const Parts = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
      const { Location } = await client.send(new CompleteMultipartUploadCommand({ ...object(key), UploadId: uploadId, MultipartUpload: { Parts } }));
      return { location: Location };
    },
    // Uppy 6: whatever request it is about to send.
    async '/sign/request'({ method, key, uploadId, partNumber }) {
      const at = { ...object(key), UploadId: uploadId };
      const command =
        method === 'PUT' ? (uploadId ? new UploadPartCommand({ ...at, PartNumber: Number(partNumber) }) : new PutObjectCommand(object(key)))
          : method === 'POST' ? (uploadId ? new CompleteMultipartUploadCommand(at) : new CreateMultipartUploadCommand(object(key)))
            : method === 'DELETE' ? new AbortMultipartUploadCommand(at) : new ListPartsCommand(at);
      return { url: await sign(command) };
    },
  };

  return async function handle(path, request, response) {
    const start = Object.keys(tus).find((prefix) => path === prefix || path.startsWith(`${prefix}/`));
    if (start) {
      await tus[start].handle(request, response);
      return true;
    }
    if (path === '/sign/evaporate') {
      const query = new URL(request.url, 'http://x').searchParams;
      const day = query.get('datetime').slice(0, 8);
      const key = [day, region, 's3', 'aws4_request'].reduce((k, text) => createHmac('sha256', k).update(text).digest(), `AWS4${credentials.secretAccessKey}`);
      response.end(createHmac('sha256', key).update(query.get('to_sign')).digest('hex'));
      return true;
    }
    if (path === '/api/upload') {
      const answer = await handleRequest(new Request(`http://x${path}`, { method: request.method, headers: request.headers, body: Readable.toWeb(request), duplex: 'half' }), better);
      response.statusCode = answer.status;
      response.setHeader('content-type', 'application/json');
      response.end(Buffer.from(await answer.arrayBuffer()));
      return true;
    }
    const call = calls[path];
    if (!call) return false;
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const answer = await call(JSON.parse(Buffer.concat(pieces).toString()));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
    return true;
  };
}
