import { folderOf } from '../format.js';
import type { FoundFile } from './found.js';

/** What an `<input type="file">` holds. A folder's files tell where they lay, and come in the order of their paths. */
export function filesOfInput(input: HTMLInputElement): FoundFile[] {
  return [...(input.files ?? [])]
    .sort((a, b) => a.webkitRelativePath.localeCompare(b.webkitRelativePath, 'en', { numeric: true }))
    .map((file) => ({ file, folder: folderOf(file.webkitRelativePath) }));
}

/**
 * Lets a person pick files by the browser's own dialog that also gives handles. `null` where there is none: use an
 * input. An empty list when the dialog was closed.
 */
export async function pickFiles(options: { multiple: boolean }): Promise<FoundFile[] | null> {
  if (!window.showOpenFilePicker) return null;
  try {
    const handles = await window.showOpenFilePicker({ multiple: options.multiple, id: 'partgate' });
    return await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), folder: '', handle })));
  } catch (error) {
    // A frame or a policy may forbid it although it is there.
    return closedByPerson(error) ? [] : null;
  }
}

/** The same for a folder. */
export async function pickFolder(): Promise<FileSystemDirectoryHandle | 'closed' | null> {
  if (!window.showDirectoryPicker) return null;
  try {
    return await window.showDirectoryPicker({ id: 'partgate' });
  } catch (error) {
    return closedByPerson(error) ? 'closed' : null;
  }
}

function closedByPerson(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
