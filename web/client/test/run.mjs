// Bundles each test with the sources it is about, and runs them with Node's own test runner.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const folder = new URL('..', import.meta.url).pathname;
rmSync(`${folder}build`, { recursive: true, force: true });
await build({
  absWorkingDir: folder,
  entryPoints: {
    ...Object.fromEntries(
      readdirSync(`${folder}test`)
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => [name.replace(/\.ts$/, ''), `test/${name}`]),
    ),
    'hash-worker': 'src/hashing/worker.ts',
  },
  outdir: 'build',
  outExtension: { '.js': '.js' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
});
const tests = readdirSync(`${folder}build`).filter((name) => name.endsWith('.test.js'));
const { status } = spawnSync(process.execPath, ['--test', ...process.argv.slice(2), ...tests.map((name) => `build/${name}`)], {
  cwd: folder,
  stdio: 'inherit',
});
process.exit(status ?? 1);
