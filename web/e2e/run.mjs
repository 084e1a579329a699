// Bundles the tests and the library page, runs them in Node's test runner, and prints one line in cargo's form.
//
//   node e2e/run.mjs [FILE…]     test files by part of their path; default all
//   TEST_STORE=minio             on MinIO instead of the embedded store
//   TEST_AUTH=required            with gateways that want to know who calls, instead of open ones
//   ONLY=PATTERN                 tests by their name
//   E2E_DIST=1                   with page/dist as it is now, for when partgate was built before it
//   REQUIRE_ALL=1                what is missing is a failure; without it, the tests are skipped
import { build } from 'esbuild';
import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';

const here = import.meta.dirname;
const store = process.env.TEST_STORE ?? 'embedded';
const built = join(here, '.results', store);
process.env.PARTGATE_ROOT ??= join(here, '../..');
process.env.E2E_BUILT = built;

const asked = process.argv.slice(2);
const sources = readdirSync(here, { recursive: true })
  .filter((path) => path.endsWith('.test.ts') && (asked.length === 0 || asked.some((part) => path.includes(part))))
  .sort();

rmSync(built, { recursive: true, force: true });
const common = { bundle: true, format: 'esm', target: 'es2022', sourcemap: 'linked', logLevel: 'warning' };
await build({
  ...common,
  entryPoints: {
    app: join(here, 'harness/app.ts'),
    index: join(here, '../client/src/index.ts'),
    'hash-worker': join(here, '../client/src/hashing/worker.ts'),
  },
  outdir: join(built, 'library-page'),
});
copyFileSync(join(here, 'harness/index.html'), join(built, 'library-page/index.html'));
await build({
  ...common,
  entryPoints: ['harness/means.ts', ...sources].map((path) => join(here, path)),
  outbase: here,
  outdir: join(built, 'tests'),
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  packages: 'external',
});

// A run that this machine has not the means for is no run: it passes as a whole, unless everything is required.
const { chromiumPath, minioPath, PARTGATE } = await import(join(built, 'tests/harness/means.mjs'));
const missing = [
  chromiumPath() ? null : 'there is no Chromium; scripts/tools.sh installs it',
  store === 'minio' && !minioPath() ? 'there is no MinIO; scripts/tools.sh installs it' : null,
  existsSync(PARTGATE) ? null : `there is no ${PARTGATE}; cargo build makes it`,
].filter(Boolean);
if (missing.length > 0) {
  console.error(`SKIP web/e2e on ${store}: ${missing.join('; ')}`);
  process.exit(process.env.REQUIRE_ALL === '1' ? 1 : 0);
}

const files = sources.map((path) => join(built, 'tests', path.replace(/\.ts$/, '.mjs')));
const only = process.env.ONLY ? { testNamePatterns: [process.env.ONLY] } : {};
const counts = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();
// A file that never ends must not keep CI for ever; its servers notice that it is gone.
const LONGEST_MS = 20 * 60_000;
const underWay = new Set();
setTimeout(() => {
  console.error(`web/e2e on ${store}: not done after ${LONGEST_MS / 60_000} minutes: ${[...underWay].join(', ')}`);
  process.exit(1);
}, LONGEST_MS).unref();
const tests = run({ files, concurrency: Number(process.env.E2E_CONCURRENCY ?? 2), ...only });
const seconds = (ms) => `${(ms / 1_000).toFixed(1)} s`;
// A file whose process fails is told as a test too; its own tests are counted already.
const notAsked = (event) => String(event.skip).includes('does not match');
const isTest = (event) => event.details.type !== 'suite' && !files.includes(event.name) && !notAsked(event);
tests.on('test:dequeue', ({ name }) => underWay.add(name));
tests.on('test:complete', ({ name }) => underWay.delete(name));
tests.on('test:pass', (event) => {
  if (!isTest(event)) return;
  const skipped = event.skip !== undefined;
  counts[skipped ? 'skipped' : 'passed'] += 1;
  console.log(`${skipped ? 'skip' : 'ok'} ${event.name} (${seconds(event.details.duration_ms)})`);
});
tests.on('test:fail', (event) => {
  counts.failed += 1;
  const { error } = event.details;
  console.log(`FAILED ${event.name} (${seconds(event.details.duration_ms)})\n${error.cause?.stack ?? error.cause ?? error.stack}`);
});
tests.on('test:stderr', ({ message }) => process.stderr.write(message));
tests.on('test:stdout', ({ message }) => process.stdout.write(message));
tests.resume().on('end', () => {
  const { passed, failed, skipped } = counts;
  const verdict = failed === 0 ? 'ok' : 'FAILED';
  console.log(`web/e2e on ${store}:`);
  console.log(`test result: ${verdict}. ${passed} passed; ${failed} failed; ${skipped} ignored; finished in ${seconds(Date.now() - started)}`);
  process.exitCode = failed === 0 ? 0 : 1;
});
