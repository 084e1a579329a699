// The few lines that a team writes when it needs no more than presigned URLs: Express and AWS's presigner.
//
//   POST /sign  {key, uploadId, parts: [1, 2, …]}   {urls: [{number, url}, …]}
//
// It remembers nothing and checks nothing; who may upload and what is there already would come on top.
// One client for all requests, and the URLs of a batch together, is the fastest that its documentation shows.
import { CreateMultipartUploadCommand, S3Client, UploadPartCommand } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import express from "express";
import { bucket, clientOptions, port, ready } from "./environment.mjs";

const client = new S3Client(clientOptions);
const app = express();
app.use(express.json({ limit: "1mb" }));

app.post("/create", async (request, response) => {
  const { key } = request.body;
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }));
  response.json({ key, uploadId: UploadId });
});

app.post("/sign", async (request, response) => {
  const { key, uploadId, parts } = request.body;
  const sign = async (number) => {
    const command = new UploadPartCommand({ Bucket: bucket, Key: key, UploadId: uploadId, PartNumber: number });
    return { number, url: await getSignedUrl(client, command, { expiresIn: 900 }) };
  };
  response.json({ urls: await Promise.all(parts.map(sign)) });
});

app.listen(port, "127.0.0.1", ready);
