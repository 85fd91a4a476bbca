// usher as the OpenID provider of an app: `openid-client` does what apps do with it, Chromium what
// people do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import * as client from 'openid-client';
import { people } from '../parts/people.mjs';
import { street } from '../parts/street.mjs';

const SECRET = 'canary-secret-of-an-app-3Jd8';

/** An app on the visitor's own machine: it waits for somebody to come back, one after another. */
async function app() {
  const waiting = [];
  const server = createServer((asked, reply) => {
    reply.writeHead(200, { 'content-type': 'text/html' });
    reply.end('<h1>back at the app</h1>');
    if (asked.url.startsWith('/cb')) waiting.shift()?.(new URL(asked.url, origin));
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, back: () => new Promise((come) => waiting.push(come)), stop: () => new Promise((end) => server.close(end)) };
}

/** `fetch` towards usher: its names lead to this machine, and its own authority is trusted. */
const fetchTrusting = (ca) => (address, { method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
  const url = new URL(address);
  const fields = { ...Object.fromEntries(new Headers(headers)), host: url.host };
  const options = { host: '127.0.0.1', port: url.port, path: url.pathname + url.search, method, headers: fields, servername: url.hostname, ca };
  const asked = request(options, (answer) => {
    const parts = [];
    answer.on('data', (part) => parts.push(part)).on('end', () => {
      const text = Buffer.concat(parts);
      resolve(new Response(text.length > 0 ? text : null, { status: answer.statusCode, headers: answer.headers }));
    });
  }).on('error', reject);
  asked.end(body === undefined || body === null ? undefined : String(body));
});

describe('usher as an OpenID provider', { concurrency: false }, () => {
  let at, here, ca, issuer;
  before(async () => {
    here = await app();
    at = await street({ config: (place) => `authenticate_service_url: ${place('login')}
openid_clients:
- id: web
  secret: ${SECRET}
  redirect_uris: ['http://127.0.0.1/cb']
  post_logout_redirect_uris: ['${here.origin}/bye']
  scopes: [openid, profile, email, groups, offline_access]
  policy: {allow: {or: [{email: {is: ${people.ana.email}}}]}}
- id: phone
  redirect_uris: ['http://127.0.0.1/cb']
  allow_any_authenticated_user: true
` });
    ca = readFileSync(at.authority);
    issuer = new URL(at.at('login'));
  });
  after(async () => { await at?.stop(); await here?.stop(); });

  const discovered = (id, secret, how) => client.discovery(issuer, id, secret, how, { [client.customFetch]: fetchTrusting(ca) });

  /** One flow, up to the app's address with all that came back. `more` are parameters of the request. */
  async function flow(config, page, { more = {}, person = null } = {}) {
    const verifier = client.randomPKCECodeVerifier(), state = client.randomState(), nonce = client.randomNonce();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: `${here.origin}/cb`, scope: 'openid profile email groups offline_access', state, nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more,
    });
    const back = here.back();
    await page.goto(url.href);
    if (person) {
      await page.fill('#email', person.email);
      await page.fill('#password', person.password);
      await page.click('main button[type=submit]');
    }
    await page.getByText('back at the app').waitFor();
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
    return { url: await back, checks };
  }

  for (const [shown, name, secret, how] of [
    ['its secret in the field', 'web', SECRET, client.ClientSecretBasic(SECRET)],
    ['its secret in the form', 'web', SECRET, client.ClientSecretPost(SECRET)],
    ['no secret', 'phone', undefined, client.None()],
  ]) {
    it(`code, ID token and userinfo, with ${shown}`, async () => {
      const config = await discovered(name, secret, how);
      const context = await at.browser.newContext();
      const page = await context.newPage();
      const { url, checks } = await flow(config, page, { person: people.ana });
      const tokens = await client.authorizationCodeGrant(config, url, checks);
      const claims = tokens.claims();
      assert.equal(claims.aud, name);
      assert.equal(claims.email, people.ana.email);
      const told = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
      assert.equal(told.name, people.ana.name);
      await assert.rejects(client.authorizationCodeGrant(config, url, checks), { error: 'invalid_grant' }, 'a code counts once');
      await assert.rejects(client.fetchUserInfo(config, tokens.access_token, claims.sub), 'and what it gave is taken back');
      await context.close();
    });
  }

  it('refresh, reuse, revocation, a new sign-in, and sign-out', async () => {
    const config = await discovered('web', SECRET, client.ClientSecretBasic(SECRET));
    const context = await at.browser.newContext();
    const page = await context.newPage();
    const first = await flow(config, page, { person: people.ana });
    const tokens = await client.authorizationCodeGrant(config, first.url, first.checks);
    const second = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(second.claims().sub, tokens.claims().sub);
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' });
    await assert.rejects(client.refreshTokenGrant(config, second.refresh_token), { error: 'invalid_grant' }, 'the whole family');

    const known = await flow(config, page, { more: { prompt: 'none' } }); // no page in between
    const fresh = await client.authorizationCodeGrant(config, known.url, known.checks);
    await client.tokenRevocation(config, fresh.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), { error: 'invalid_grant' });

    const anew = await flow(config, page, { more: { max_age: '0' }, person: people.ana });
    const last = await client.authorizationCodeGrant(config, anew.url, { ...anew.checks, maxAge: 60 });

    const bye = client.buildEndSessionUrl(config, { id_token_hint: last.id_token, post_logout_redirect_uri: `${here.origin}/bye`, state: 's' });
    await page.goto(bye.href);
    assert.equal(page.url(), `${here.origin}/bye?state=s`);
    await assert.rejects(client.refreshTokenGrant(config, last.refresh_token), { error: 'invalid_grant' });
    const gone = await flow(config, page, { more: { prompt: 'none' } });
    await assert.rejects(client.authorizationCodeGrant(config, gone.url, gone.checks), { error: 'login_required' });
    await context.close();
  });

  it('whom the policy does not let in, and requests that an attacker changed', async () => {
    const config = await discovered('web', SECRET, client.ClientSecretBasic(SECRET));
    const context = await at.browser.newContext();
    const page = await context.newPage();
    const eve = await flow(config, page, { person: people.eve });
    await assert.rejects(client.authorizationCodeGrant(config, eve.url, eve.checks), { error: 'access_denied' });
    const plain = await flow(config, page, { more: { code_challenge_method: 'plain' } });
    await assert.rejects(client.authorizationCodeGrant(config, plain.url, plain.checks), { error: 'invalid_request' });
    const evil = client.buildAuthorizationUrl(config, { redirect_uri: at.sibling.origin ?? 'https://evil.example.test/', scope: 'openid' });
    const answer = await page.goto(evil.href);
    assert.equal(answer.status(), 400);
    assert.equal(new URL(page.url()).hostname, 'login.example.test', 'it leads nowhere');
    await context.close();
  });
});
