// The client libraries that apps are built on: what they get through usher equals what they get
// from the server itself, on a public route and within a signed-in session.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { house } from '../parts/house.mjs';
import { people } from '../parts/people.mjs';
import { run } from '../parts/process.mjs';
import { letIn } from './let-in.mjs';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const PYTHON = `${HERE}.venv/bin/python`;
const CLIENTS = [
  ['@jellyfin/sdk', process.execPath, 'clients/sdk.mjs'],
  ['jellyfin-apiclient-python', PYTHON, 'clients/apiclient.py'],
  ['aiojellyfin', PYTHON, 'clients/aio.py'],
];

/** Fields that are new in each answer or name the address that was asked. */
const VOLATILE = new Set(['AccessToken', 'MessageId', 'PlaySessionId', 'LocalAddress', 'address', 'DateLastAccessed', 'LastActivityDate',
  'LastLoginDate', 'LastPlaybackCheckIn', 'DateCreated', 'TranscodingUrl', 'UserLastLoginDate']);

describe("Jellyfin's client libraries", { concurrency: false }, () => {
  let at, cookie;
  const direct = new Map();

  before(async () => {
    at = await house();
    cookie = await signedIn(at);
  });
  after(() => at?.stop());

  for (const [library, command, script] of CLIENTS) {
    const ask = async (base, more = {}) => {
      const [person] = at.cinema.people;
      const env = { ...process.env, BASE: base, NAME: person.name, PASSWORD: person.password, ...more };
      return JSON.parse(await run(command, [script], { cwd: HERE, env }));
    };
    const trust = () => ({ NODE_EXTRA_CA_CERTS: at.authority, REQUESTS_CA_BUNDLE: at.authority });

    it(`${library} does everything with the server itself`, async () => {
      const got = await ask(at.cinema.url);
      assert.match(got.discovery.Version, /^\d+\.\d+\.\d+$/);
      assert.deepEqual(got.ranges.map(({ status, length }) => [status, length]).slice(0, 3), [[206, 100], [206, 1000], [206, 500]]);
      assert.equal(got.ranges[3].status, 416);
      assert.ok(got.websocket.sessions, 'session events came');
      assert.equal(got.after, 401, 'after logout the token is worth nothing');
      direct.set(library, steady(got));
    });

    it(`${library} gets the same through a public route`, async () => {
      assert.ok(direct.has(library), 'there is something to compare with');
      assert.deepEqual(steady(await ask(at.routes.public, trust())), direct.get(library));
    });

    it(`${library} gets the same within a signed-in session`, async () => {
      assert.ok(direct.has(library), 'there is something to compare with');
      assert.deepEqual(steady(await ask(at.routes.jellyfin, { ...trust(), COOKIE: cookie })), direct.get(library));
    });

    it(`${library} gets nothing without one`, async () => {
      at.wire.forget();
      await assert.rejects(ask(at.routes.jellyfin, trust()), /discovery|401|Unauthorized/i);
      const up = at.wire.up();
      assert.equal(up, '', `and nothing of it reaches the server, where this came: ${JSON.stringify(up.slice(0, 300))}`);
    });
  }
});

letIn([
  ['@jellyfin/sdk', process.execPath, 'clients/sdk-let-in.mjs', 'sdk e2e', 'TV "x" ü', 'let-in-sdk'],
  ['jellyfin-apiclient-python', PYTHON, 'clients/apiclient_let_in.py', 'apiclient e2e', 'Desk x', 'let-in-apiclient'],
  ['aiojellyfin', PYTHON, 'clients/aio_let_in.py', 'aio e2e', 'Radio x', 'let-in-aio'],
], [
  ['jellyfin-apiclient-python', PYTHON, 'clients/apiclient_let_in.py', 'apiclient e2e', 'Desk x'],
], HERE);

/** Signs Ana in with a browser and takes her session's cookie. */
async function signedIn(at) {
  const context = await (await at.browser()).newContext();
  const page = await context.newPage();
  await page.goto(`${at.routes.jellyfin}/web/`);
  await at.provider.signIn(page, people.ana);
  await page.waitForURL(`${at.routes.jellyfin}/web/`);
  const cookies = await context.cookies(at.routes.jellyfin);
  assert.ok(cookies.length > 0, 'signing in gave a cookie');
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
}

/** The same answer with what must differ taken out. */
function steady(value) {
  if (Array.isArray(value)) return value.map(steady);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => !VOLATILE.has(key)).map(([key, inner]) => [key, steady(inner)]));
}
