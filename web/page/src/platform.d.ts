/** What browsers have and TypeScript's DOM library does not know yet. */

interface DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

interface Window {
  showOpenFilePicker?(options?: { multiple?: boolean; id?: string }): Promise<FileSystemFileHandle[]>;
  showDirectoryPicker?(options?: { id?: string }): Promise<FileSystemDirectoryHandle>;
}

declare module '*.css';
