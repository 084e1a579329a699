// Serves the example at http://localhost:5173, built from the package as it is here.
import { context } from 'esbuild';

const folder = new URL('.', import.meta.url).pathname;
const watching = await context({
  absWorkingDir: folder,
  entryPoints: { example: 'example.ts', 'hash-worker': '../src/hashing/worker.ts' },
  alias: { '@partgate/client': '../src/index.ts' },
  outdir: '.',
  write: false,
  bundle: true,
  format: 'esm',
  target: 'es2022',
});
const { port } = await watching.serve({ servedir: folder, host: '127.0.0.1', port: Number(process.env.PORT ?? 5173) });
console.log(`http://localhost:${port}`);
