/** Hashing itself does not work here, as opposed to the file being unreadable. Told by name: it crosses threads. */
export class HashingUnavailable extends Error {
  override readonly name = 'HashingUnavailable';
}
