import Evaporate from 'evaporate';
import { createMD5, createSHA256 } from 'hash-wasm';
import { files, timed } from './call.js';

const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

window.run = async ({ key, endpoint, bucket, accessKeyId, region, partSize }) => {
  const [md5, sha256] = await Promise.all([createMD5(), createSHA256()]);
  return timed(async () => {
    const evaporate = await Evaporate.create({
      signerUrl: '/sign/evaporate', aws_key: accessKeyId, aws_url: endpoint, bucket, awsRegion: region, cloudfront: false,
      // Signature version 4 is not to be had without MD5 of every part.
      computeContentMd5: true, partSize, logging: false,
      cryptoMd5Method: (data) => base64(md5.init().update(new Uint8Array(data)).digest('binary')),
      cryptoHexEncodedHash256: (text) => sha256.init().update(text).digest('hex'),
    });
    await evaporate.add({ name: key, file: files()[0] });
    return { key };
  });
};
window.ready = true;
