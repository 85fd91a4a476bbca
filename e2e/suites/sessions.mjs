// What becomes of a session while it lasts: its provider's tokens run out, the provider takes
// something away, says that somebody left, or is gone for a while.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { house } from '../parts/house.mjs';
import { postman } from '../parts/keycloak-admin.mjs';
import { GROUP, people } from '../parts/people.mjs';
import { until } from '../parts/process.mjs';
import { secrets } from '../parts/secrets.mjs';
import { isLive } from './cinema-page.mjs';

const EVERY_SECOND = 'session_recheck_interval: 1s\n';
const TOKEN_LIFE = 15; // seconds
const LOGOUT = '/.pomerium/backchannel_logout';

/** What an admin of Keycloak does takes effect on what is open. */
export function keycloakSessions(keycloak) {
  describe('sessions that Keycloak is asked about again', { concurrency: false }, () => {
    let at, browser, admin, ria;
    const secret = secrets();
    before(async () => {
      at = await house({ provider: keycloak, keys: EVERY_SECOND });
      ({ admin } = at.provider);
      await admin.realm({ accessTokenLifespan: TOKEN_LIFE, eventsEnabled: true, enabledEventTypes: ['LOGIN', 'CODE_TO_TOKEN', 'REFRESH_TOKEN'] });
      browser = await at.browser();
      ria = await visitor(at, browser, await admin.person('ria', GROUP), secret);
    });
    after(() => at?.stop());

    it('a group that is taken away there ends what is open here, and not the session', async () => {
      const gia = await visitor(at, browser, await admin.person('gia', GROUP), secret);
      await gia.person.leaves(GROUP);
      await gia.isCutOff();
      assert.equal(await gia.asks('/System/Info/Public'), 403, 'she is known, and may not in');
      const shown = await gia.page.goto(`${at.routes.groups}/web/`);
      assert.equal(shown.status(), 403);
      assert.ok((await gia.page.locator('h1').innerText()).includes(gia.person.email));
    });

    it('an account that is disabled there is signed out here', async () => {
      const dan = await visitor(at, browser, await admin.person('dan', GROUP), secret);
      await dan.person.disable();
      await dan.isCutOff();
      assert.equal(await dan.asks('/System/Info/Public'), 401);
      const line = await until('a line for it', () => records(at.usher, 'session-ended').find((one) => one['user-id'] === dan.person.id));
      // Between a refresh and the question that follows it, it is the new token that is not taken.
      assert.match(line.cause, /does not vouch for it any more: .*(invalid_grant|answered with 401)/);
      await dan.page.goto(`${at.routes.groups}/web/`);
      await dan.page.locator('#kc-login').waitFor();
    });

    it('a session outlives the access tokens that it began with', async () => {
      const first = tokensOf(at.provider.wire, ria.person).find(({ claims }) => claims.exp - claims.iat === TOKEN_LIFE);
      assert.ok(first, `a token for ${TOKEN_LIFE} s`);
      const userinfo = () => fetch(`${at.provider.issuer}/protocol/openid-connect/userinfo`, { headers: { authorization: `Bearer ${first.token}` } });
      await until('the first access token is worth nothing', async () => (await userinfo()).status === 401, TOKEN_LIFE + 5);
      const [fresh] = await until('Keycloak refreshes after that', async () => {
        const seen = await ria.person.events('REFRESH_TOKEN');
        return seen[0]?.time > first.claims.exp * 1000 && seen;
      }, 20);
      const [begun] = await ria.person.events('CODE_TO_TOKEN');
      assert.equal(fresh.sessionId, begun.sessionId, 'it is the sign-in of then, and the only one');
      assert.equal((await ria.person.events('LOGIN')).length, 1);
      await ria.isLiveStill();
    });

    it('none of the tokens, old or new, is in the log', () => {
      secret.overhear(at.provider.wire);
      assert.ok(secret.kinds().filter((kind) => kind === 'token of the provider').length > 10, 'there were many');
      assert.match(at.usher.output, /System\/Info\/Public/, 'there is a log to search');
      assert.deepEqual(secret.leaked(at.usher.output), []);
      assert.deepEqual(records(at.usher, 'provider'), [], 'and nothing was wrong with the provider');
    });
  });

  describe('a session that an admin of Keycloak ends', { concurrency: false }, () => {
    let at, post;
    before(async () => {
      at = await house({ provider: keycloak }); // asked again in five minutes: no question ends it first
      post = await postman(at.port);
      await at.provider.admin.client({ attributes: { 'backchannel.logout.url': post.url + LOGOUT, 'backchannel.logout.session.required': 'true' } });
    });
    after(async () => { post?.stop(); await at?.stop(); });

    it('ends here at once, with what is open, and nobody else\'s does', async () => {
      const { admin } = at.provider, browser = await at.browser(), secret = secrets();
      const lou = await visitor(at, browser, await admin.person('lou', GROUP), secret);
      const una = await visitor(at, browser, await admin.person('una', GROUP), secret);
      await lou.person.logOut();
      await lou.isCutOff();
      assert.equal(await lou.asks('/System/Info/Public'), 401);
      assert.deepEqual(post.statuses, [200], 'Keycloak is told that it was done');
      const lines = records(at.usher, 'sign-out').map((line) => [line['user-id'], line.cause]);
      assert.deepEqual(lines, [[lou.person.id, 'by the provider']]);
      await una.isLiveStill();
      assert.deepEqual(secret.leaked(at.usher.output), []);
    });
  });
}

/** A provider that is stopped, and started again, signs nobody out. */
export function outage(provider) {
  describe('a provider that is stopped for a while', { concurrency: false }, () => {
    let at, browser, ana;
    const secret = secrets();
    before(async () => {
      at = await house({ provider, keys: EVERY_SECOND });
      browser = await at.browser();
      ana = await visitor(at, browser, people.ana, secret);
    });
    after(() => at?.stop());

    it('signs nobody out while it is silent', async () => {
      const { wire } = at.provider;
      await until('it is asked again', () => refreshes(wire) > 0);
      await at.provider.down();
      const before = wire.calls();
      await until('several questions find nobody', () => wire.calls() >= before + 4, 20);
      await ana.isLiveStill();
      await ana.reload();
      const [line, ...more] = records(at.usher, 'provider');
      assert.match(line.cause, /whoever is signed in stays so/);
      assert.deepEqual([line.level, more], ['warn', []], 'an operator is told once');
    });

    it('vouches for everybody when it is back', async () => {
      const { wire } = at.provider;
      const before = refreshes(wire);
      await at.provider.up();
      await until('an operator is told', () => records(at.usher, 'provider').some((line) => /again/.test(line.cause)), 20);
      await until('it is asked twice more', () => refreshes(wire) >= before + 2, 20);
      await ana.isLiveStill();
      assert.deepEqual(records(at.usher, 'session-ended'), []);
      secret.overhear(wire);
      assert.deepEqual(secret.leaked(at.usher.output), []);
    });
  });
}

/** Somebody signs in and has the page open, with its WebSocket. */
async function visitor(at, browser, person, secret) {
  const context = await browser.newContext();
  context.setDefaultTimeout(15_000);
  secret.watch(context);
  const page = await context.newPage();
  const home = `${at.routes.groups}/web/`;
  const sockets = []; // the page opens another where one is cut
  page.on('websocket', (opened) => sockets.push(opened));
  await page.goto(home);
  await at.provider.signIn(page, person);
  await page.waitForURL(home);
  await isLive(page);
  const asks = (path) => page.evaluate(async (path) => (await fetch(path, { headers: { accept: 'application/json' } })).status, path);
  return {
    person, page, asks,
    async reload() {
      sockets.length = 0;
      await page.reload();
      await isLive(page);
    },
    /** The socket is closed from here, and asking for another is refused. */
    async isCutOff() {
      const [live] = sockets;
      await until(`the WebSocket of ${person.email} is closed`, () => live.isClosed(), 15);
      await page.locator('#status[data-state=refused]').waitFor();
    },
    /** The very socket that was open is, both ways, and a new request passes. */
    async isLiveStill() {
      assert.equal(sockets.length, 1);
      const [live] = sockets, heard = live.waitForEvent('framereceived', ({ payload }) => payload.includes('GeneralCommand'));
      await page.click('#send-message');
      await heard;
      assert.ok(!live.isClosed());
      assert.equal(await asks('/System/Info/Public'), 200);
    },
  };
}

/** What usher's log says of an event. */
function records(usher, event) {
  const lines = usher.output.split('\n').filter((line) => line.includes(`"${event}"`));
  return lines.map((line) => JSON.parse(line)).filter((line) => line.message === event);
}

/** Access tokens that the provider gave for somebody, the oldest first. */
function tokensOf(wire, person) {
  const given = [...wire.down().matchAll(/"access_token"\s*:\s*"([\w-]+\.([\w-]+)\.[\w-]+)"/g)];
  return given.map(([, token, claims]) => ({ token, claims: JSON.parse(Buffer.from(claims, 'base64url')) }))
    .filter(({ claims }) => claims.sub === person.id);
}

function refreshes(wire) {
  return wire.up().split('grant_type=refresh_token').length - 1;
}
