import Uppy from '@uppy/core';
import AwsS3 from '@uppy/aws-s3';
import { call, files, timed } from './call.js';

function uppyFor(keyOf, options) {
  const uppy = new Uppy({ autoProceed: false });
  uppy.use(AwsS3, {
    ...options,
    createMultipartUpload: (file) => call('/sign/create', { key: keyOf(file) }),
    signPart: (_, { key, uploadId, partNumber }) => call('/sign/part', { key, uploadId, partNumber }),
    completeMultipartUpload: (_, { key, uploadId, parts }) => call('/sign/complete', { key, uploadId, parts }),
    abortMultipartUpload: async () => {},
    listParts: async () => [],
    getUploadParameters: (file) => call('/sign/put', { key: keyOf(file) }),
  });
  return uppy;
}

async function send(uppy) {
  for (const data of files()) uppy.addFile({ name: data.name, type: 'application/octet-stream', data });
  const { failed, successful } = await uppy.upload();
  if (failed.length) throw new Error(`failed: ${failed[0].error}`);
  return { sent: successful.length };
}

window.run = ({ key, partSize }) => timed(async () => {
  await send(uppyFor(() => key, partSize ? { getChunkSize: () => partSize } : {}));
  return { key };
});
window.runMany = ({ prefix }) => timed(() => send(uppyFor((file) => prefix + file.name, {})));
window.ready = true;
