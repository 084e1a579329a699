/** File handles of unfinished uploads, in IndexedDB: with one, a reload need not ask for the file again. */

const DATABASE = 'partgate';
const STORE = 'handles';

/** Handles live as long as the record of the same key. Failing to keep one only means that the file is asked for. */
export async function saveHandle(key: string, handle: FileSystemFileHandle): Promise<void> {
  await withStore('readwrite', (store) => store.put(handle, key)).catch(() => undefined);
}

export async function findHandle(key: string): Promise<FileSystemFileHandle | null> {
  const found = await withStore('readonly', (store) => store.get(key)).catch(() => undefined);
  return (found as FileSystemFileHandle | undefined) ?? null;
}

export async function removeHandle(key: string): Promise<void> {
  await withStore('readwrite', (store) => store.delete(key)).catch(() => undefined);
}

async function withStore(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  if (typeof indexedDB === 'undefined') return undefined;
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = (await settled(opening)) as IDBDatabase;
  try {
    return await settled(work(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function settled(request: IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}
