import { splitName } from '../format.js';

/** A name that is shortened in its middle when there is no room: its end tells files apart. */
export function FileName({ name }: { name: string }) {
  const [head, tail] = splitName(name);
  return (
    <bdi class="file-name" dir="auto" title={name}>
      <span class="file-name-head">{head}</span>
      {tail && <span class="file-name-tail">{tail}</span>}
    </bdi>
  );
}
