// Builds dist/, which is committed: the gateway embeds it, so that a machine with only Rust shows the page.
// The same sources give the same bytes: no hashes in names, no source maps, no dates.
import { build } from 'esbuild';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const common = {
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  // The page is built from the client's sources, so that both change in one commit.
  alias: { '@partgate/client': here('../client/src/index.ts') },
  logLevel: 'warning',
};

await rm(here('dist'), { recursive: true, force: true });
await mkdir(here('dist'));
await Promise.all([
  build({
    ...common,
    entryPoints: { app: here('src/main.tsx') },
    outdir: here('dist'),
    jsx: 'automatic',
    jsxImportSource: 'preact',
  }),
  build({
    ...common,
    // Beside app.js, because the client loads it relative to its own module.
    entryPoints: { 'hash-worker': here('../client/src/hashing/worker.ts') },
    outdir: here('dist'),
  }),
  copyFile(here('src/index.html'), here('dist/index.html')),
]);
