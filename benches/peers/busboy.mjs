// A form upload that is passed on to S3: busboy takes the multipart/form-data apart, lib-storage's Upload sends the
// stream on, as https://github.com/aws/aws-sdk-js-v3/tree/main/lib/lib-storage shows.
//
// File bytes pass through it and through its memory, parts of 10 MiB, four at once: as partgate's parts are.
//
//   POST /upload  multipart/form-data with one file   {key, etag}
import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import busboy from "busboy";
import express from "express";
import { randomUUID } from "node:crypto";
import { bucket, clientOptions, port, ready } from "./environment.mjs";

const client = new S3Client(clientOptions);
const app = express();

app.post("/upload", (request, response, next) => {
  const form = busboy({ headers: request.headers, limits: { files: 1 } });
  form.on("error", next);
  form.on("file", (_field, file, { filename }) => {
    const params = { Bucket: bucket, Key: `${randomUUID()}/${filename}`, Body: file };
    new Upload({ client, params, partSize: 10 * 1024 * 1024, queueSize: 4 })
      .done()
      .then(({ Key, ETag }) => response.json({ key: Key, etag: ETag }), next);
  });
  request.pipe(form);
});

app.listen(port, "127.0.0.1", ready);
