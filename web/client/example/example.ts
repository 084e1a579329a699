// Five lines that upload files; the rest shows how it goes. `npm run example -w client`, beside `partgate dev`.
import { UploadQueue } from '@partgate/client';

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const queue = new UploadQueue({ gateway: 'http://localhost:8080' });

element<HTMLInputElement>('files').addEventListener('change', ({ target }) => {
  for (const file of (target as HTMLInputElement).files ?? []) {
    const upload = queue.add(file);
    upload.on('notice', ({ message }) => console.info(`${upload.name}: ${message}`));
    upload.on('error', ({ code, message }) => console.error(`${upload.name}: ${code}: ${message}`));
    upload.on('done', ({ completion, proven }) => console.info(completion.key, 'proven:', proven.join(', ')));
  }
});
queue.on('progress', ({ percent, done, total, secondsLeft }) => {
  element<HTMLProgressElement>('progress').value = percent;
  const left = secondsLeft === null ? '' : `, ${Math.ceil(secondsLeft)} s left`;
  element<HTMLOutputElement>('words').value = `${done} of ${total} done${left}`;
});
