// Uppy Companion, as its documentation has it plugged into an Express server: https://uppy.io/docs/companion/
//
// A page with Uppy's @uppy/aws-s3 talks to it so:
//   POST /s3/multipart                                  {filename, type}      {key, uploadId, bucket}
//   GET  /s3/multipart/:uploadId/:number?key=           one URL               {url, expires}
//   GET  /s3/multipart/:uploadId/batch?key=&partNumbers=1,2,3                 {presignedUrls: {1: url, …}}
//   POST /s3/multipart/:uploadId/complete?key=          {parts: [{PartNumber, ETag}]}
//
// A batch is a query string, so Node's limit for headers (16 KiB) is the limit of a batch: about 3,000 numbers.
import * as companion from "@uppy/companion";
import express from "express4";
import session from "express-session";
import { tmpdir } from "node:os";
import { accessKeyId, bucket, clientOptions, endpoint, port, ready, region, secretAccessKey } from "./environment.mjs";

const address = `127.0.0.1:${port}`;
// Express 4, as Companion itself is built on. It reads the bodies of its routes by itself.
const app = express();
// Not kept for those who have no session: otherwise its memory would grow by one with every request of the load.
app.use(session({ secret: "of a benchmark", resave: false, saveUninitialized: false }));

const { app: companionApp } = companion.app({
  server: { host: address, protocol: "http" },
  filePath: tmpdir(),
  secret: "of a benchmark",
  uploadUrls: [`http://${address}`],
  corsOrigins: true,
  s3: {
    key: accessKeyId,
    secret: secretAccessKey,
    bucket,
    region,
    endpoint,
    forcePathStyle: true,
    expires: 900,
    awsClientOptions: {
      requestChecksumCalculation: clientOptions.requestChecksumCalculation,
      responseChecksumValidation: clientOptions.responseChecksumValidation,
    },
  },
});
app.use(companionApp);

const server = app.listen(port, "127.0.0.1", ready);
companion.socket(server);
