// The tus server of Node with its store for S3, as https://github.com/tus/tus-node-server shows it.
//
// File bytes pass through it: POST /files makes an upload (Tus-Resumable: 1.0.0, Upload-Length), PATCH of its Location
// (Upload-Offset, Content-Type: application/offset+octet-stream) carries the bytes. The store collects parts of 8 MiB in
// files of the system's temporary directory, sends up to 60 of them to S3 at once, and keeps what it knows of the
// upload as an object `.info` beside it. It completes the multipart upload when the last byte was received.
import { S3Store } from "@tus/s3-store";
import { Server } from "@tus/server";
import { bucket, clientOptions, port, ready } from "./environment.mjs";

const datastore = new S3Store({ partSize: 8 * 1024 * 1024, s3ClientConfig: { bucket, ...clientOptions } });
const server = new Server({ path: "/files", datastore });
server.listen({ host: "127.0.0.1", port }, ready);
