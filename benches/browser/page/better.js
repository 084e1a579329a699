import { uploadFile, uploadFiles } from 'better-upload/client';
import { files, timed } from './call.js';

// It wants a type of the file.
const typed = () => files().map((file) => (file.type ? file : new File([file], file.name, { type: 'application/octet-stream' })));

window.run = ({ route }) => timed(async () => {
  const { file } = await uploadFile({ api: '/api/upload', route, file: typed()[0] });
  if (file.status !== 'complete') throw new Error(JSON.stringify(file.error));
  return { key: file.objectKey };
});
window.runMany = () => timed(async () => {
  const { files: sent, failedFiles } = await uploadFiles({ api: '/api/upload', route: 'many', files: typed() });
  if (failedFiles.length) throw new Error(JSON.stringify(failedFiles[0].error));
  return { sent: sent.length };
});
window.ready = true;
