import Uppy from '@uppy/core';
import AwsS3 from '@uppy/aws-s3';
import { call, files, timed } from './call.js';

async function send(keyOf, options) {
  const uppy = new Uppy({ autoProceed: false });
  uppy.use(AwsS3, {
    ...options,
    generateObjectKey: keyOf,
    signRequest: (request) => call('/sign/request', request),
  });
  for (const data of files()) uppy.addFile({ name: data.name, type: 'application/octet-stream', data });
  const { failed, successful } = await uppy.upload();
  if (failed.length) throw new Error(`failed: ${failed[0].error}`);
  return { sent: successful.length };
}

window.run = ({ key, partSize }) => timed(async () => {
  await send(() => key, partSize ? { getChunkSize: () => partSize } : {});
  return { key };
});
window.runMany = ({ prefix }) => timed(() => send((file) => prefix + file.name, {}));
window.ready = true;
