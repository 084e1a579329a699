/** Calls to a gateway that says no, over HTTP: the gateway's answers are written here, as openapi.json has them. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';

import type { UploadError } from '../src/errors.js';
import { Gateway } from '../src/gateway/gateway.js';
import type { GatewayOptions, Notice } from '../src/types.js';

const GIVE_UP_AFTER_MS = 10_000;
const ID = '01kb0000000000000000000000';
const OWN = 'pgu_e30.e30.own';
const { signal } = new AbortController();

interface Answer {
  status: number;
  body: object;
  retryAfter?: number;
}

interface Asked {
  line: string;
  authorization: string | undefined;
}

const STATUS: Answer = { status: 200, body: { upload_id: ID, state: 'open' } };
const CREATED: Answer = { status: 201, body: { upload_id: ID, part_size: 5, token: OWN } };

function problem(status: number, code: string, more: object = {}): Answer {
  const body = { type: `/problems/${code}`, title: code, status, detail: `${code}, in words`, code, request_id: 'r', ...more };
  return { status, body };
}

const UNAUTHORIZED = problem(401, 'unauthorized');

/** Answers one after the other, the last again and again. */
async function gatewayThat(context: TestContext, ...answers: Answer[]): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    asked.push({ line: `${request.method} ${request.url}`, authorization: request.headers.authorization });
    const { status, body, retryAfter } = answers[Math.min(asked.length, answers.length) - 1] as Answer;
    request.resume().on('end', () => {
      response.writeHead(status, {
        'content-type': 'application/json',
        connection: 'close',
        ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
      });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

interface Hook {
  fetchToken: NonNullable<GatewayOptions['fetchToken']>;
  calls: boolean[];
}

/** Gives these tokens one after the other, and remembers whether it was told that the one before had expired. */
function hook(...tokens: string[]): Hook {
  const calls: boolean[] = [];
  return { calls, fetchToken: ({ expired }) => tokens[Math.min(calls.push(expired), tokens.length) - 1] as string };
}

const asks = (gateway: Gateway) => gateway.status(ID, { refresh: false, parts: false }, signal);
const bearers = (asked: readonly Asked[]) => asked.map(({ authorization }) => authorization?.replace('Bearer ', ''));

async function refusalOf(call: Promise<unknown>): Promise<UploadError> {
  const error = await call.then(() => assert.fail('it was not refused'), (error: UploadError) => error);
  assert.equal(error.name, 'UploadError', error.stack);
  return error;
}

test('a token that is refused is asked for once more, and the call goes on', async (context) => {
  const { url, asked } = await gatewayThat(context, UNAUTHORIZED, STATUS);
  const { fetchToken, calls } = hook('old', 'new');
  const gateway = new Gateway({ gateway: url, fetchToken }, GIVE_UP_AFTER_MS);
  assert.equal((await asks(gateway)).upload_id, ID);
  await asks(gateway);
  assert.deepEqual([bearers(asked), calls], [['old', 'new', 'new'], [false, true]]);
});

test('a second refusal is final, in the words of the gateway', async (context) => {
  const { url, asked } = await gatewayThat(context, UNAUTHORIZED);
  const { fetchToken, calls } = hook('old', 'new', 'newer');
  const error = await refusalOf(asks(new Gateway({ gateway: url, fetchToken }, GIVE_UP_AFTER_MS)));
  assert.deepEqual([error.code, error.message, error.resumable], ['unauthorized', 'unauthorized, in words', true]);
  assert.deepEqual([bearers(asked), calls], [['old', 'new'], [false, true]]);
});

test('without fetchToken a refusal is final at once', async (context) => {
  for (const headers of [undefined, { authorization: 'Bearer key' }, () => ({ authorization: 'Bearer key' })]) {
    const { url, asked } = await gatewayThat(context, UNAUTHORIZED);
    const options = headers === undefined ? {} : { headers };
    const error = await refusalOf(asks(new Gateway({ gateway: url, ...options }, GIVE_UP_AFTER_MS)));
    assert.deepEqual([error.code, asked.length], ['unauthorized', 1]);
  }
});

test('headers that a function gives are asked for anew', async (context) => {
  const { url, asked } = await gatewayThat(context, UNAUTHORIZED, STATUS);
  let given = 0;
  const headers = () => ({ authorization: `Bearer key${(given += 1)}` });
  await asks(new Gateway({ gateway: url, headers }, GIVE_UP_AFTER_MS));
  assert.equal(asked.length, 2);
  assert.notEqual(asked[0]?.authorization, asked[1]?.authorization);
});

test("an upload's own token is for its calls, the caller's for all others, and none is in an address", async (context) => {
  const { url, asked } = await gatewayThat(context, CREATED, STATUS, { status: 200, body: { uploads: [] } }, STATUS);
  const gateway = new Gateway({ gateway: url, fetchToken: hook('grant').fetchToken }, GIVE_UP_AFTER_MS);
  await gateway.init({ filename: 'a', size: 1 }, signal);
  await asks(gateway);
  await gateway.list('open', 1, signal);
  await gateway.status('another', { refresh: false, parts: false }, signal);
  assert.deepEqual(bearers(asked), ['grant', OWN, 'grant', 'grant']);
  assert.ok(asked.every(({ line }) => !line.includes('grant') && !line.includes(OWN)), JSON.stringify(asked));
});

test("when an upload's own token is refused, the caller's is used from then on", async (context) => {
  for (const refusal of [UNAUTHORIZED, problem(403, 'forbidden')]) {
    const { url, asked } = await gatewayThat(context, CREATED, refusal, STATUS);
    const { fetchToken, calls } = hook('grant');
    const gateway = new Gateway({ gateway: url, fetchToken }, GIVE_UP_AFTER_MS);
    await gateway.init({ filename: 'a', size: 1 }, signal);
    await asks(gateway);
    await asks(gateway);
    assert.deepEqual([bearers(asked), calls], [['grant', OWN, 'grant', 'grant'], [false]]);
    assert.equal(gateway.tokenOf(ID), null, 'it is not remembered for the next time');
  }
});

test("the caller's token may have expired meanwhile, and is asked for once more", async (context) => {
  const { url, asked } = await gatewayThat(context, CREATED, UNAUTHORIZED, UNAUTHORIZED, STATUS);
  const gateway = new Gateway({ gateway: url, fetchToken: hook('old', 'new').fetchToken }, GIVE_UP_AFTER_MS);
  await gateway.init({ filename: 'a', size: 1 }, signal);
  await asks(gateway);
  assert.deepEqual(bearers(asked), ['old', OWN, 'old', 'new']);
});

test('an own token with nothing beside it is told as refused', async (context) => {
  for (const options of [{}, { headers: {} }]) {
    const { url, asked } = await gatewayThat(context, problem(401, 'unauthorized', { detail: 'the token has expired' }));
    const gateway = new Gateway({ gateway: url, ...options }, GIVE_UP_AFTER_MS);
    gateway.adoptToken(ID, OWN);
    const error = await refusalOf(asks(gateway));
    assert.deepEqual([error.code, error.message, bearers(asked)], ['unauthorized', 'the token has expired', [OWN]]);
  }
});

test('what is refused for good is asked once, and told with its words and its limit', async (context) => {
  const refusals: [answer: Answer, resumable: boolean, asked: number][] = [
    [problem(403, 'quota_exceeded', { limit: 5 }), true, 1],
    [problem(403, 'forbidden'), true, 1],
    [problem(413, 'too_large', { limit: 1_000 }), false, 1],
    // fetch itself makes the call again, over a connection of its own (https://fetch.spec.whatwg.org/#http-fetch).
    [problem(421, 'misdirected_request'), true, 2],
  ];
  for (const [answer, resumable, times] of refusals) {
    const { url, asked } = await gatewayThat(context, answer);
    const { fetchToken, calls } = hook('grant');
    const error = await refusalOf(asks(new Gateway({ gateway: url, fetchToken }, GIVE_UP_AFTER_MS)));
    const { code, limit } = answer.body as { code: string; limit?: number };
    assert.deepEqual([error.code, error.message, error.resumable], [code, `${code}, in words`, resumable]);
    assert.deepEqual([error.problem?.limit, asked.length, calls], [limit, times, [false]]);
  }
});

test('429 is waited for at the same gateway, and is no trouble of the network', async (context) => {
  const limited = { ...problem(429, 'rate_limited'), retryAfter: 0 };
  const busy = await gatewayThat(context, limited, limited, STATUS);
  const other = await gatewayThat(context, STATUS);
  const notices: Notice['code'][] = [];
  const gateway = new Gateway({ gateway: [busy.url, other.url] }, GIVE_UP_AFTER_MS, (code) => notices.push(code));
  await asks(gateway);
  assert.deepEqual([busy.asked.length, other.asked.length, notices], [3, 0, ['slow_down']]);
});

test('429 for longer than anybody waits is told', async (context) => {
  const { url, asked } = await gatewayThat(context, { ...problem(429, 'rate_limited'), retryAfter: 3_600 });
  const error = await refusalOf(asks(new Gateway({ gateway: url }, GIVE_UP_AFTER_MS)));
  assert.deepEqual([error.code, error.resumable, asked.length], ['rate_limited', true, 1]);
});

test('a call that came too slowly is made again', async (context) => {
  const { url, asked } = await gatewayThat(context, problem(408, 'request_timeout'), STATUS);
  await asks(new Gateway({ gateway: url }, GIVE_UP_AFTER_MS));
  assert.equal(asked.length, 2);
});

test('an app that has no token to give stops the upload, unless it is the network that is away', async (context) => {
  const { url, asked } = await gatewayThat(context, STATUS);
  const refuse = (cause: Error) => new Gateway({ gateway: url, fetchToken: () => Promise.reject(cause) }, GIVE_UP_AFTER_MS);
  const error = await refusalOf(asks(refuse(new Error('nobody is signed in'))));
  assert.deepEqual([error.code, error.resumable], ['unauthorized', true]);
  assert.match(error.message, /nobody is signed in/);
  let tries = 0;
  const fetchToken = () => ((tries += 1) < 2 ? Promise.reject(new TypeError('Failed to fetch')) : Promise.resolve('grant'));
  await asks(new Gateway({ gateway: url, fetchToken }, GIVE_UP_AFTER_MS));
  assert.deepEqual([tries, bearers(asked)], [2, ['grant']]);
});

test('what is no token is not sent', async (context) => {
  const { url, asked } = await gatewayThat(context, STATUS);
  for (const token of ['', 'two words', 'ключ', '<!doctype html>', 'a\r\nb']) {
    const error = await refusalOf(asks(new Gateway({ gateway: url, fetchToken: () => token }, GIVE_UP_AFTER_MS)));
    assert.equal(error.code, 'unauthorized');
    assert.ok(token === '' || !error.message.includes(token), 'a credential is in no message');
  }
  assert.equal(asked.length, 0);
});

test('calls that wait for a token are given the same one', async (context) => {
  const { url, asked } = await gatewayThat(context, STATUS);
  let given = 0;
  const fetchToken = async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return `grant${(given += 1)}`;
  };
  const gateway = new Gateway({ gateway: url, fetchToken }, GIVE_UP_AFTER_MS);
  await Promise.all([asks(gateway), asks(gateway), asks(gateway)]);
  assert.deepEqual(bearers(asked), ['grant1', 'grant1', 'grant1']);
});

test('an abort does not wait for a token that never comes', async (context) => {
  const { url } = await gatewayThat(context, STATUS);
  const gateway = new Gateway({ gateway: url, fetchToken: () => new Promise<string>(() => undefined) }, GIVE_UP_AFTER_MS);
  const stop = new AbortController();
  const asking = gateway.status(ID, { refresh: false, parts: false }, stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(asking, { message: 'stopped' });
});
