// Uploads from headless Chromium to one MinIO, ours beside its peers, in turn in one sitting; see README.md.
//   BYTES (1 GiB), ROUNDS (3), FILES (200), FILE_BYTES (100 KiB), ONLY (names that contain one of these, by commas),
//   VERIFY (1: how many rounds are read back), OUT (results/TIME.json)
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { contenders, needsGateway } from './contenders.mjs';
import { Chromium } from './lib/chromium.mjs';
import { randomFile, sha256 } from './lib/files.mjs';
import { peers } from './lib/peers.mjs';
import { built, bundleContenders, root, serve } from './lib/pages.mjs';
import { cpuOf, credentials, region, startGateway, startMinio } from './lib/servers.mjs';

const MiB = 1 << 20;
const size = Number(process.env.BYTES ?? 1024 * MiB);
const rounds = Number(process.env.ROUNDS ?? 3);
const count = Number(process.env.FILES ?? 200), fileSize = Number(process.env.FILE_BYTES ?? 100 * 1024);
const verified = Number(process.env.VERIFY ?? 1);
const only = process.env.ONLY?.split(',');
const chosen = contenders.filter(({ name }) => !only || only.some((part) => name.includes(part)));
const bucket = 'bench';
const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

const work = await mkdtemp(join(process.env.TMPDIR ?? tmpdir(), 'partgate-bench-'));
const big = await randomFile(join(built, `file-${size}`), size);
const small = [];
for (let i = 0; i < count; i++) small.push(await randomFile(join(built, `small-${fileSize}`, `${String(i).padStart(4, '0')}.bin`), fileSize));
const wanted = new Map([[big, await sha256(big)]]);
for (const path of small) wanted.set(path, await sha256(path));
await bundleContenders(chosen.map(({ page }) => page));

const stops = [];
const results = Object.fromEntries(chosen.map(({ name }) => [name, []]));
let interrupted = false;
let current = null;
const limit = Math.max(60, size / MiB / 4) * 1000;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    current?.kill();
  });
}
try {
  const minio = await startMinio(work, bucket);
  stops.push(() => minio.stop());
  const gateway = chosen.some(needsGateway) ? await startGateway(work, { endpoint: minio.endpoint, bucket }) : null;
  if (gateway) stops.push(() => gateway.stop());
  const tusFiles = join(work, 'tus');
  const site = await serve(0, peers({ client: minio.client, endpoint: minio.endpoint, bucket, tusFiles }));
  stops.push(() => site.stop());
  const context = { size, bucket, endpoint: minio.endpoint, region, accessKeyId: credentials.accessKeyId, gateway: gateway?.url };

  for (let round = 0; round < rounds && !interrupted; round++) {
    // The other way round every second time, so that nobody always comes after the same one.
    for (const contender of round % 2 ? chosen.toReversed() : chosen) {
      if (interrupted) break;
      const label = `${contender.name} #${round + 1}`;
      const browser = current = await Chromium.launch();
      // Nobody may hang here: it counts as failed.
      let late = false;
      const timer = setTimeout(() => { late = true; browser.kill(); }, limit);
      try {
        const path = `${site.origin}/${contender.page}/${contender.page}`;
        const page = contender.atGateway ? await browser.open(`${gateway.url}/healthz`, `${path}.js`) : await browser.open(`${path}.html`);
        await page.pick('#file', contender.many ? small : [big]);
        const before = { memory: await browser.memory(), chromium: await browser.cpu(), minio: await cpuOf(minio.pid), gateway: await cpuOf(gateway?.pid), node: process.cpuUsage() };
        const options = contender.options({ ...context, key: `object-${round}`, prefix: `round-${round}/` });
        const result = await page.evaluate(`${contender.many ? 'runMany' : 'run'}(${JSON.stringify(options)})`);
        const node = process.cpuUsage(before.node);
        const cpu = {
          chromium: await browser.cpu() - before.chromium, minio: await cpuOf(minio.pid) - before.minio,
          gateway: await cpuOf(gateway?.pid) - before.gateway, node: (node.user + node.system) / 1e6,
        };
        const memory = await browser.memory();
        const objects = await left(minio.client);
        if (contender.many) await checkMany(minio.client, objects, round);
        else await checkOne(contender.where === 'tus-file' ? null : minio.client, result.key, round, tusFiles);
        results[contender.name].push({ ...result, cpu, renderer: memory.renderer, renderer_before: before.memory.renderer, browser: memory.browser, load: loadavg()[0] });
        const speed = contender.many ? `${(result.seconds * 1000 / count).toFixed(1)} ms a file` : `${(size / MiB / result.seconds).toFixed(0)} MiB/s`;
        console.log(`${label.padEnd(44)} ${result.seconds.toFixed(2)} s  ${speed}  renderer ${memory.renderer} MiB`);
      } catch (error) {
        const message = late ? `not done after ${limit / 1000} s` : error.message;
        console.log(`${label.padEnd(44)} FAILED: ${message.split('\n').slice(0, 3).join(' | ')}`);
        if (!interrupted) results[contender.name].push({ failed: message });
      } finally {
        clearTimeout(timer);
        await browser.close();
        await sweep(minio.client);
        for (const name of await readdir(tusFiles)) await rm(join(tusFiles, name));
      }
    }
  }
  const machine = { date: new Date().toISOString(), cpus: cpus().length, model: cpus()[0].model, bytes: size, rounds, files: count, file_bytes: fileSize };
  const out = process.env.OUT ?? join(root, 'results', `${machine.date.replaceAll(':', '-').slice(0, 19)}.json`);
  await mkdir(dirname(out), { recursive: true });
  await writeFile(out, JSON.stringify({ machine, results }, null, 1) + '\n');
  print();
  console.log(`\nwritten to ${out}`);
} finally {
  for (const stop of stops.toReversed()) await stop().catch((error) => console.error(String(error)));
  await rm(work, { recursive: true, force: true });
}

async function left(client) {
  const objects = [];
  for (let token; ;) {
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
    objects.push(...page.Contents ?? []);
    if (!page.IsTruncated) return objects;
    token = page.NextContinuationToken;
  }
}

async function sweep(client) {
  const objects = await left(client);
  for (let at = 0; at < objects.length; at += 1000) {
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects.slice(at, at + 1000).map(({ Key }) => ({ Key })) } }));
  }
}

async function digest(stream) {
  const hash = createHash('sha256');
  for await (const piece of stream) hash.update(piece);
  return hash.digest('hex');
}

async function checkOne(client, key, round, tusFiles) {
  const found = client ? (await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))).ContentLength : (await stat(join(tusFiles, key))).size;
  if (found !== size) throw new Error(`the object has ${found} bytes`);
  if (round >= verified) return;
  const stream = client ? (await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))).Body : createReadStream(join(tusFiles, key));
  if (await digest(stream) !== wanted.get(big)) throw new Error('the object is not the file');
}

async function checkMany(client, objects, round) {
  if (objects.length !== count || objects.some(({ Size }) => Size !== fileSize)) throw new Error(`${objects.length} objects of ${count}`);
  if (round >= verified) return;
  const missing = new Set(small.map((path) => wanted.get(path)));
  for (const { Key } of objects) missing.delete(await digest((await client.send(new GetObjectCommand({ Bucket: bucket, Key }))).Body));
  if (missing.size) throw new Error(`${missing.size} files are not among the objects`);
}

function print() {
  for (const many of [false, true]) {
    const here = chosen.filter((contender) => Boolean(contender.many) === many);
    if (!here.length) continue;
    const rows = here.map(({ name, against }) => {
      const runs = results[name].filter(({ failed }) => !failed);
      const failures = results[name].length - runs.length;
      if (!runs.length) return { name, failures };
      const of = (pick) => median(runs.map(pick));
      // Against the reference of the same round, so that what the machine does meanwhile weighs less.
      const ratios = (reference) => (results[reference] ?? [])
        .map((other, i) => [other, results[name][i]]).filter(([a, b]) => a && b && !a.failed && !b.failed)
        .map(([a, b]) => (many ? b.seconds / a.seconds : a.seconds / b.seconds));
      const ratio = ratios(against ?? (many ? 'files: bare' : 'bare 10 MiB ×6'));
      return {
        name, failures, seconds: of(({ seconds }) => seconds), ratio: ratio.length ? median(ratio) : NaN,
        cpu: of(({ cpu }) => cpu.chromium), servers: of(({ cpu }) => cpu.minio + cpu.gateway + cpu.node),
        renderer: Math.max(...runs.map(({ renderer }) => renderer)), browser: Math.max(...runs.map(({ browser }) => browser)),
      };
    });
    console.log(many
      ? `\n${count} files of ${fileSize / 1024} KiB, ${rounds} rounds, medians; time against the bare loop (less is better)\n`
      : `\n${size / MiB} MiB, ${rounds} rounds, medians; speed against the bare loop (more is better)\n`);
    const line = (cells) => console.log(cells.map((cell, i) => (i ? String(cell).padStart(11) : cell.padEnd(44))).join(''));
    line(['', many ? 'ms a file' : 'MiB/s', 'ratio', 'seconds', 'CPU page', 'servers', 'renderer', 'browser']);
    for (const row of rows) {
      if (row.seconds === undefined) { line([row.name, `failed ×${row.failures}`]); continue; }
      line([
        row.name + (row.failures ? ` (failed ×${row.failures})` : ''),
        many ? (row.seconds * 1000 / count).toFixed(1) : (size / MiB / row.seconds).toFixed(0), Number.isNaN(row.ratio) ? '-' : row.ratio.toFixed(2), row.seconds.toFixed(2),
        `${row.cpu.toFixed(1)} s`, `${row.servers.toFixed(1)} s`, `${row.renderer} MiB`, `${row.browser} MiB`,
      ]);
    }
  }
}
