// Runs a command that runs tests with Node's runner, and adds one line in cargo's form: node e2e/counted.mjs COMMAND…
import { spawn } from 'node:child_process';

const [program, ...rest] = process.argv.slice(2);
const child = spawn(program, rest, { stdio: ['inherit', 'pipe', 'inherit'] });
let output = '';
child.stdout.on('data', (chunk) => (output += chunk));
child.on('close', (code) => {
  // A run that is fine has nothing to tell but how many there were.
  if (code !== 0) process.stdout.write(output);
  const count = (what) => Number(new RegExp(`^(?:#|ℹ) ${what} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  const failed = Math.max(count('fail') + count('cancelled'), code === 0 ? 0 : 1);
  const verdict = failed === 0 ? 'ok' : 'FAILED';
  console.log(`test result: ${verdict}. ${count('pass')} passed; ${failed} failed; ${count('skipped') + count('todo')} ignored`);
  process.exitCode = failed === 0 ? 0 : 1;
});
