// Bundles of the pages, and a server for them.
import { createServer } from 'node:http';
import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { extname, join } from 'node:path';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const built = join(root, 'build');

/// `entries`: output name → source; `alias`: as esbuild's.
export async function bundle(entries, options = {}) {
  await build({
    entryPoints: entries, outdir: built, bundle: true, format: 'esm', target: 'chrome120', minify: true,
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' }, logLevel: 'warning',
    nodePaths: [join(root, '../../web/node_modules')], ...options,
  });
}

const aliases = {
  uppy5: { '@uppy/core': 'uppy5-core', '@uppy/aws-s3': 'uppy5-aws-s3' },
  uppy6: { '@uppy/core': 'uppy6-core', '@uppy/core/utils': 'uppy6-core/utils', '@uppy/aws-s3': 'uppy6-aws-s3' },
  partgate: { '@partgate/client': client('index.ts') },
};

function client(path) {
  return join(process.env.CLIENT ?? join(root, '../../web/client/src'), path);
}

// EvaporateJS signs the host without its port, so it knows standard ports only.
const evaporateWithPorts = {
  name: 'evaporate-with-ports',
  setup(build) {
    build.onLoad({ filter: /evaporate\/evaporate\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace('this.awsHost = uri(this.awsUrl).hostname', 'this.awsHost = uri(this.awsUrl).host'),
    }));
  },
};

/// Every contender's page in a folder of its own.
export async function bundleContenders(names) {
  for (const name of new Set(names)) {
    const entries = { [`${name}/${name}`]: join(root, 'page', `${name}.js`) };
    if (name === 'partgate') entries['partgate/hash-worker'] = client('hashing/worker.ts');
    await bundle(entries, { alias: aliases[name] ?? {}, plugins: name === 'evaporate' ? [evaporateWithPorts] : [] });
  }
}

/// Serves build/ and a page `/NAME.html` with an input for every script `/NAME.js`; other paths go to `handle`.
export async function serve(port, handle = null) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    try {
      if (handle && await handle(path, request, response)) return;
      if (extname(path) === '.html') {
        response.setHeader('content-type', 'text/html; charset=utf-8');
        response.end(`<!doctype html><title>bench</title><input type=file id=file multiple><script type=module src="${path.replace(/\.html$/, '.js')}"></script>`);
      } else {
        const text = await readFile(join(built, path.replaceAll('..', '')));
        response.setHeader('content-type', 'text/javascript');
        response.setHeader('access-control-allow-origin', '*');
        response.end(text);
      }
    } catch (error) {
      response.statusCode = error.code === 'ENOENT' ? 404 : 500;
      response.end(String(error.stack));
      if (response.statusCode === 500) console.error(path, error);
    }
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, server, stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }) };
}
