// Builds dist/: one module, its worker (with hash-wasm in it, so that the package has no dependencies), and the types.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { build } from 'esbuild';

const folder = new URL('.', import.meta.url).pathname;
rmSync(`${folder}dist`, { recursive: true, force: true });
const common = { absWorkingDir: folder, outdir: 'dist', bundle: true, format: 'esm', target: 'es2022', legalComments: 'none' };
// The module is left readable: apps minify it with their own code. The worker is served as it is.
await build({ ...common, entryPoints: { index: 'src/index.ts' } });
await build({ ...common, entryPoints: { 'hash-worker': 'src/hashing/worker.ts' }, minify: true });
execFileSync(process.execPath, [new URL('../node_modules/typescript/bin/tsc', import.meta.url).pathname, '-p', folder], {
  stdio: 'inherit',
});
