/** Serves a folder of built files at an origin of its own: somebody's app that uses the library. */
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const TYPES: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.map': 'application/json' };

export interface Site {
  url: string;
  stop(): void;
}

export async function serve(folder: string): Promise<Site> {
  const server = createServer((request, response) => {
    const name = request.url === '/' ? 'index.html' : request.url!.slice(1);
    const file = join(folder, name);
    const type = TYPES[extname(name)];
    if (!type || !/^[\w.-]+$/.test(name) || !existsSync(file)) return void response.writeHead(name === 'favicon.ico' ? 204 : 404).end();
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
