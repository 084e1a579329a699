import type { Upload, Uploaded } from '@partgate/client';
import type { ComponentChildren } from 'preact';
import { bytes, clock, count, exactBytes, plural, took } from '../format.js';
import type { Item, LogEntry } from '../model/item.js';
import { checksumName, lookHint, provenWords } from '../words.js';
import { CopyButton } from './buttons.js';
import { icon } from './icons.js';
import { PartMap } from './part-map.js';

/** Everything about one upload that is not needed at a glance. */
export function Details({ id, item, downloads }: { id: string; item: Item; downloads: boolean }) {
  const { upload, look } = item;
  const hint = lookHint(look);
  return (
    <div class="details" id={id} role="region" aria-label={`Details of ${upload.name}`}>
      {hint && <p class="hint">{hint}</p>}
      {upload.state === 'done' && upload.result && <Result upload={upload} result={upload.result} downloads={downloads} />}
      {upload.parts.length > 0 && <PartMap upload={upload} />}
      <Facts upload={upload} folder={item.folder} />
      <Log entries={item.log} />
    </div>
  );
}

function Result({ upload, result, downloads }: { upload: Upload; result: Uploaded; downloads: boolean }) {
  const { completion } = result;
  const { checksum } = completion;
  return (
    <section class="result" aria-label="Result">
      <p class="proven">{icon('shield')} {provenWords(result)}</p>
      <dl class="facts facts-wide">
        <Fact name="Key"><Copied text={completion.key} what="key" /></Fact>
        <Fact name="Bucket">{completion.bucket}</Fact>
        <Fact name="Size">{exactBytes(completion.size)}</Fact>
        {checksum && (
          <Fact name={`${checksumName(checksum.algorithm)} ${checksum.type === 'FULL_OBJECT' ? 'of the whole file' : 'of its parts'}`}>
            <Copied text={checksum.value} what="checksum" />
          </Fact>
        )}
        {completion.sha256 && <Fact name="SHA-256"><Copied text={completion.sha256} what="SHA-256" /></Fact>}
        <Fact name="Sent">{sentWords(result)}</Fact>
      </dl>
      {downloads && (
        <a class="button button-plain" href={`upload/${completion.upload_id}/file`} data-action="download-link" download aria-label={`Download ${upload.name}`}>
          {icon('download')} Download
        </a>
      )}
    </section>
  );
}

function sentWords({ sentParts, resumedParts, retries, durationMs }: Uploaded): string {
  const words = [`${plural(sentParts, 'part')} in ${took(durationMs)}`];
  if (resumedParts > 0) words.push(`${count(resumedParts)} stored before`);
  if (retries > 0) words.push(`${count(retries)} sent again`);
  return words.join(', ');
}

function Facts({ upload, folder }: { upload: Upload; folder: string }) {
  const { progress, partSize, state, uploadId } = upload;
  return (
    <dl class="facts">
      <Fact name="Parts">{partSize > 0 ? partsWords(upload) : 'not known yet'}</Fact>
      {state !== 'done' && <Fact name="Connections">{count(progress.connections)}</Fact>}
      <Fact name="Checksum of parts">{checksumName(upload.checksum)}</Fact>
      <Fact name="Sent again">{count(progress.retries)}</Fact>
      {folder && <Fact name="Folder">{folder}</Fact>}
      {uploadId && <Fact name="Upload id"><Copied text={uploadId} what="upload id" /></Fact>}
    </dl>
  );
}

function partsWords({ progress, partSize, size }: Upload): string {
  return progress.totalParts > 1 ? `${count(progress.totalParts)} of ${bytes(partSize)}` : `1 of ${bytes(size)}`;
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Copied({ text, what }: { text: string; what: string }) {
  return (
    <span class="copied">
      <span class="code">{text}</span>
      <CopyButton text={text} what={what} />
    </span>
  );
}

/** Newest first. */
function Log({ entries }: { entries: readonly LogEntry[] }) {
  if (entries.length === 0) return null;
  return (
    <section class="log-section">
      <h3 class="log-title">What happened</h3>
      <ol class="log" tabIndex={0} aria-label="What happened, newest first">
        {entries.toReversed().map((entry) => (
          <li key={entry.number} data-trouble={entry.trouble || undefined}>
            <time dateTime={entry.at.toISOString()}>{clock(entry.at)}</time>
            <span>{entry.words}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
