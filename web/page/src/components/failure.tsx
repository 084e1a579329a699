import type { UploadError } from '@partgate/client';
import { useRef } from 'preact/hooks';
import { pickFiles } from '../files/picked.js';
import type { Item } from '../model/item.js';
import type { Session } from '../model/session.js';
import { errorTrace, errorWords, REMEDY_LABELS, type Remedy } from '../error-words.js';
import { Button, CopyButton } from './buttons.js';

/** Why an upload stopped: what happened, what was kept, what to do. */
export function Failure({ item, error, session }: { item: Item; error: UploadError; session: Session }) {
  const input = useRef<HTMLInputElement>(null);
  const words = errorWords(error, item.upload.progress, session.gateway);
  const trace = errorTrace(error);

  const apply = async (remedy: Remedy): Promise<void> => {
    switch (remedy) {
      case 'retry':
        return void session.resume(item);
      case 'restart':
        return session.restart(item);
      case 'choose': {
        const found = await pickFiles({ multiple: false });
        if (found === null) input.current?.click();
        else if (found[0]) session.chooseAgain(item, found[0].file, found[0].handle);
      }
    }
  };

  return (
    <div class="failure" data-testid="error" data-code={error.code}>
      <p class="failure-what">{words.what}</p>
      <p>{words.kept} {words.todo}</p>
      {words.remedies.length > 0 && (
        <div class="buttons">
          {words.remedies.map((remedy, index) => (
            <Button
              key={remedy}
              kind={index === 0 ? 'primary' : 'plain'}
              label={`${REMEDY_LABELS[remedy]}: ${item.upload.name}`}
              action={remedy}
              onClick={() => void apply(remedy)}
            >
              {REMEDY_LABELS[remedy]}
            </Button>
          ))}
        </div>
      )}
      <p class="trace">
        <span>{trace}</span>
        <CopyButton text={trace} what="error details" />
      </p>
      <input
        ref={input}
        type="file"
        hidden
        data-testid="choose-again"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = '';
          if (file) session.chooseAgain(item, file);
        }}
      />
    </div>
  );
}
