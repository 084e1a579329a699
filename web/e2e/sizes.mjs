// Prints what a page loads for the client: its module and its worker, minified, as they are and compressed.
import { build } from 'esbuild';
import { gzipSync } from 'node:zlib';

const source = (path) => new URL(`../client/src/${path}`, import.meta.url).pathname;
const { outputFiles } = await build({
  entryPoints: { index: source('index.ts'), 'hash-worker': source('hashing/worker.ts') },
  outdir: 'unwritten',
  write: false,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
});
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
for (const { path, contents } of outputFiles) {
  console.log(`bundle ${path.split('/').at(-1)}: ${kib(contents.length)}, gzip ${kib(gzipSync(contents, { level: 9 }).length)}`);
}
