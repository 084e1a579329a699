/** A file that a person gave, and where it lay. */
export interface FoundFile {
  file: File;
  /** The folders above it as far as they were given, `photos/2026`; empty for a file on its own. */
  folder: string;
  /** With it the file can be opened again after a reload. */
  handle?: FileSystemFileHandle;
}
