/** What the tests run with, and where this machine has it. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The repository: the tests are bundled to web/e2e/.results/tests/… (run.mjs), so this cannot go by this file. */
const ROOT = process.env['PARTGATE_ROOT']!;

/** The command under test. */
export const PARTGATE = process.env['PARTGATE_BIN'] || join(ROOT, 'target/debug/partgate');

/** The library page, as run.mjs has built it. */
export const LIBRARY_PAGE = join(process.env['E2E_BUILT']!, 'library-page');

export function chromiumPath(): string | undefined {
  if (process.env['CHROMIUM']) return process.env['CHROMIUM'];
  return find(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'], path());
}

/** MinIO of the tools' cache (scripts/tools.sh), or else of the path. */
export function minioPath(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] || join(process.env['HOME'] ?? '', '.cache');
  const tools = process.env['TEST_TOOLS'] || join(cache, 'partgate-tools');
  return find(['minio'], [join(tools, 'bin'), ...path()]);
}

function path(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter);
}

function find(names: string[], folders: string[]): string | undefined {
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
}
