import type { FoundFile } from './found.js';

type Root =
  | { handle: Promise<FileSystemHandle | null>; file: File | null }
  | { entry: FileSystemEntry }
  | { file: File };

/**
 * Everything in a drop or a paste: files, and the files in folders.
 *
 * Must be called within the event: the browser empties the transfer afterwards. What cannot be read is told to
 * `unreadable` and left out.
 */
export function filesOf(
  transfer: DataTransfer,
  unreadable: (path: string, error: unknown) => void,
): AsyncGenerator<FoundFile> {
  const roots = [...transfer.items].filter((item) => item.kind === 'file').flatMap(rootOf);
  return walkAll(roots, unreadable);
}

function rootOf(item: DataTransferItem): Root[] {
  // Handles outlive a reload, so they come first; the browser has them in secure pages only.
  if (item.getAsFileSystemHandle) return [{ handle: item.getAsFileSystemHandle(), file: item.getAsFile() }];
  const entry = item.webkitGetAsEntry();
  if (entry) return [{ entry }];
  const file = item.getAsFile();
  return file ? [{ file }] : [];
}

async function* walkAll(
  roots: readonly Root[],
  unreadable: (path: string, error: unknown) => void,
): AsyncGenerator<FoundFile> {
  for (const root of roots) {
    if ('entry' in root) {
      yield* walkEntry(root.entry, '', unreadable);
    } else if ('handle' in root) {
      const handle = await root.handle.catch(() => null);
      if (handle) yield* walkHandle(handle, '', unreadable);
      else if (root.file) yield { file: root.file, folder: '' };
    } else {
      yield { file: root.file, folder: '' };
    }
  }
}

/** The files of a folder that a person picked or dropped, in the order of their names. */
export async function* walkHandle(
  handle: FileSystemHandle,
  folder: string,
  unreadable: (path: string, error: unknown) => void,
): AsyncGenerator<FoundFile> {
  const path = folder ? `${folder}/${handle.name}` : handle.name;
  try {
    if (handle.kind === 'file') {
      const fileHandle = handle as FileSystemFileHandle;
      yield { file: await fileHandle.getFile(), folder, handle: fileHandle };
      return;
    }
    const children: FileSystemHandle[] = [];
    for await (const child of (handle as FileSystemDirectoryHandle).values()) children.push(child);
    for (const child of children.sort(byName)) yield* walkHandle(child, path, unreadable);
  } catch (error) {
    unreadable(path, error);
  }
}

async function* walkEntry(
  entry: FileSystemEntry,
  folder: string,
  unreadable: (path: string, error: unknown) => void,
): AsyncGenerator<FoundFile> {
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  try {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      yield { file, folder };
      return;
    }
    const children = await entriesOf(entry as FileSystemDirectoryEntry);
    for (const child of children.sort(byName)) yield* walkEntry(child, path, unreadable);
  } catch (error) {
    unreadable(path, error);
  }
}

/** A reader answers at most a hundred entries at once, and none when it is through. */
async function entriesOf(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return entries;
    entries.push(...batch);
  }
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name.localeCompare(b.name, 'en', { numeric: true });
}
