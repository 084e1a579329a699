import { createServer } from 'node:net';

// Below the range that outgoing connections take theirs from (net.ipv4.ip_local_port_range begins at 32768), so that
// a port that a killed server leaves is still free when it starts again.
const LOWEST = 12_000;
const HIGHEST = 31_000;

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
