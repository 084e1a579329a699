// What every peer is told: its port by argument, its store by environment. One place, so that all sign for the same.
import process from "node:process";

function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

export const port = Number(process.argv[2]);
if (!Number.isInteger(port)) throw new Error(`usage: node ${process.argv[1]} PORT`);

export const bucket = need("S3_BUCKET");
export const endpoint = need("S3_ENDPOINT");
export const region = need("AWS_REGION");
export const accessKeyId = need("AWS_ACCESS_KEY_ID");
export const secretAccessKey = need("AWS_SECRET_ACCESS_KEY");

// The SDK would put a CRC32 of an empty body into presigned URLs by default. S3-compatible stores are documented to be
// used without, and it spares the peers work.
export const clientOptions = {
  endpoint,
  region,
  forcePathStyle: true,
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
  credentials: { accessKeyId, secretAccessKey },
};

// Whoever started us waits for this line.
export function ready() {
  console.log(`listening on http://127.0.0.1:${port}`);
}
