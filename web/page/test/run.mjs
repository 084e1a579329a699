// Bundles the tests, so that they run the sources as the page is built from them, and hands them to node:test.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const tests = (await readdir(here('.'))).filter((name) => name.endsWith('.test.ts'));
const out = await mkdtemp(join(tmpdir(), 'partgate-page-'));
await build({
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
  alias: { '@partgate/client': here('../../client/src/index.ts') },
  entryPoints: tests.map((name) => here(name)),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
});
const files = tests.map((name) => join(out, name.replace(/\.ts$/, '.mjs')));
const { status } = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' });
await rm(out, { recursive: true, force: true });
process.exitCode = status ?? 1;
