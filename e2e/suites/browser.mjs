// What a browser must see through usher, the same for each provider: the guide's "Verify the
// setup", a film, live events, a refusal, the end of a session, and no secret where none belongs.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { house } from '../parts/house.mjs';
import { GROUP, people } from '../parts/people.mjs';
import { until } from '../parts/process.mjs';
import { secrets } from '../parts/secrets.mjs';
import { screenshots } from '../parts/screenshots.mjs';
import { events, isLive, play, seek } from './cinema-page.mjs';

const ASKED_FOR = '/web/?canary-query-6Rb1=on#/home';

export function browserSuite(name, provider) {
  describe(`a browser and ${name}`, { concurrency: false }, () => {
    let at, browser, ana, page;
    const secret = secrets();
    const visit = async (one = browser, options = {}) => {
      const context = await one.newContext(options);
      context.setDefaultTimeout(15_000);
      secret.watch(context);
      return context;
    };
    /** Signs in on the page of whoever asks: usher itself or the provider. */
    const signIn = async (on, person, url) => {
      await on.goto(url);
      await at.provider.signIn(on, person);
      await on.waitForURL((now) => now.origin === new URL(url).origin && !now.pathname.startsWith('/.pomerium/sign_in'));
    };
    /** Is somebody asked for name and password here? */
    const asksWho = (on) => on.locator('input[type=password]').waitFor({ state: 'visible' });

    before(async () => {
      at = await house({ provider });
      browser = await at.browser();
    });
    after(() => at?.stop());

    it('sends a fresh browser to sign in, not to Jellyfin', async () => {
      ana = await visit();
      page = await ana.newPage();
      await page.goto(at.routes.jellyfin + ASKED_FOR);
      await asksWho(page);
      assert.equal(new URL(page.url()).origin, at.provider.origin ?? at.routes.jellyfin, 'the page of the provider');
      assert.equal(at.wire.up(), '', 'nothing reaches the upstream before somebody has signed in');
      await screenshots(name, page, 'sign-in');
    });

    it('refuses a wrong password and lets the person try again', async () => {
      await at.provider.signIn(page, { ...people.ana, password: 'canary-wrong-pass-2Lm9' });
      secret.add('a wrong password', 'canary-wrong-pass-2Lm9');
      await page.waitForLoadState();
      await asksWho(page);
      assert.equal(at.wire.up(), '');
    });

    it('brings an allowed person back to the page that was asked for', async () => {
      await at.provider.signIn(page, people.ana);
      // A fragment lives through redirects, but not through another provider's form.
      const kept = at.provider.origin ? ASKED_FOR.replace(/#.*/, '') : ASKED_FOR;
      await page.waitForURL(at.routes.jellyfin + kept);
      await page.getByRole('heading', { name: 'Stand-in cinema' }).waitFor();
      await isLive(page);
    });

    it('reaches the upstream: /System/Info/Public has a Version', async () => {
      const answer = await page.goto(`${at.routes.jellyfin}/System/Info/Public`);
      assert.equal(answer.status(), 200);
      assert.match((await answer.json()).Version, /^\d+\.\d+\.\d+$/);
    });

    it('shows identity and groups at /.pomerium', async () => {
      await page.goto(`${at.routes.jellyfin}/.pomerium`);
      assert.equal(new URL(page.url()).pathname, '/.pomerium/');
      const shown = await page.locator('main').innerText();
      for (const words of [people.ana.email, people.ana.name, GROUP, 'family']) {
        assert.ok(shown.includes(words), `${words} is on the page`);
      }
      await screenshots(name, page, 'identity');
      const user = await (await page.goto(`${at.routes.jellyfin}/.pomerium/user`)).json();
      assert.equal(user.email, people.ana.email);
      assert.ok(user.groups.includes(GROUP), 'the claims that apps get have the groups');
    });

    it('plays the film', async () => {
      await page.goto(at.routes.jellyfin + '/web/');
      await isLive(page);
      await play(page);
      await screenshots(name, page, 'playing');
    });

    it('makes a 206 of a seek, far beyond the start', async () => {
      const { first, status } = await seek(page, 50);
      assert.equal(status, 206);
      assert.ok(first > 8_000_000, `Content-Range begins at ${first}`);
      assert.equal(await protocolOf(page), 'h2');
    });

    it('carries WebSocket events both ways over HTTP/2', async () => {
      const on = await ana.newPage();
      const { handshake } = await events(on, `${at.routes.jellyfin}/web/`);
      assert.equal(handshake, 200, 'extended CONNECT is answered with 200 (RFC 8441), an upgrade with 101');
    });

    it('carries WebSocket events both ways by Upgrade on HTTP/1.1', async () => {
      const old = await at.browser({ http1: true });
      const on = await (await visit(old)).newPage();
      await signIn(on, people.ana, `${at.routes.jellyfin}/web/`);
      const { handshake } = await events(on, `${at.routes.jellyfin}/web/`);
      assert.equal(handshake, 101);
      assert.equal(await protocolOf(on), 'http/1.1');
      await old.close();
    });

    it('answers fetch, media and WebSockets without a session cleanly: 401, no redirect', async () => {
      const context = await visit();
      const on = await context.newPage();
      await signIn(on, people.ana, `${at.routes.jellyfin}/web/`);
      await context.clearCookies();
      const seen = await on.evaluate(async () => {
        const got = await fetch('/Items', { headers: { accept: 'application/json' } });
        const sent = await fetch('/Sessions/Playing', { method: 'POST', body: '{}' });
        const xhr = await new Promise((end) => {
          const request = new XMLHttpRequest();
          request.open('GET', '/Items');
          request.onloadend = () => end(request.status);
          request.send();
        });
        const socket = await new Promise((end) => {
          const one = new WebSocket(location.origin.replace('http', 'ws') + '/socket');
          one.onopen = () => end('opened');
          one.onclose = (event) => end(event.code);
        });
        return { get: [got.status, got.redirected, got.type], post: [sent.status, sent.redirected], xhr, socket };
      });
      assert.deepEqual(seen, { get: [401, false, 'basic'], post: [401, false], xhr: 401, socket: 1006 });
      const image = on.waitForResponse((answer) => answer.url().includes('/Images/Primary'));
      await on.evaluate(() => { new Image().src = '/Items/0/Images/Primary?canary'; });
      assert.equal((await image).status(), 401, 'an image that needs somebody is a 401 too');
      await context.close();
    });

    it('tells a person who may not in who they are, and offers another account', async () => {
      const context = await visit();
      const on = await context.newPage();
      const asked = `${at.routes.jellyfin}/web/?who=eve`;
      await on.goto(asked);
      await at.provider.signIn(on, people.eve);
      await on.waitForURL(asked);
      const page = await on.goto(asked);
      assert.equal(page.status(), 403);
      const heading = await on.locator('h1').innerText();
      assert.ok(heading.includes(people.eve.email), heading);
      assert.ok(heading.includes('jellyfin.example.test'), heading);
      assert.ok(!at.wire.up().includes('who=eve'), 'her request never reached the upstream');
      await screenshots(name, on, 'refused');
      await on.getByRole('button', { name: /another account/i }).click();
      await asksWhoAfterProvider(on);
      await at.provider.signIn(on, people.ana);
      await on.waitForURL((url) => url.origin === at.routes.jellyfin && !url.pathname.startsWith('/.pomerium'));
      assert.equal((await on.goto(asked)).status(), 200, 'as another account the same page opens');
      await context.close();
    });

    it('lets in by group, and tells the app who it is', async () => {
      const context = await visit();
      const on = await context.newPage();
      await signIn(on, people.ana, `${at.routes.groups}/web/`);
      at.wire.forget();
      assert.equal((await on.goto(`${at.routes.groups}/System/Info/Public`)).status(), 200);
      const head = at.wire.up();
      const [, assertion] = head.match(/x-pomerium-jwt-assertion: ([\w-]+\.[\w-]+\.[\w-]+)/i) ?? [];
      assert.ok(assertion, 'the assertion is there');
      secret.add('assertion', assertion);
      const claims = JSON.parse(Buffer.from(assertion.split('.')[1], 'base64url'));
      assert.equal(claims.email, people.ana.email);
      assert.ok(claims.groups.includes(GROUP));
      assert.equal(claims.aud, new URL(at.routes.groups).hostname);
      const other = await visit();
      const stranger = await other.newPage();
      await signIn(stranger, people.eve, `${at.routes.groups}/web/`);
      assert.equal((await stranger.goto(`${at.routes.groups}/web/`)).status(), 403);
      await Promise.all([context.close(), other.close()]);
    });

    it('is one sign-in for every route', async () => {
      const on = await ana.newPage();
      await on.goto(`${at.routes.groups}/System/Info/Public`);
      await on.waitForURL(`${at.routes.groups}/System/Info/Public`);
      assert.match(await on.locator('body').innerText(), /"Version"/);
      await on.close();
    });

    it('ends with sign-out: the page, a copied cookie, and an open WebSocket', async () => {
      const context = await visit();
      const on = await context.newPage();
      const opened = on.waitForEvent('websocket');
      await signIn(on, people.ana, `${at.routes.jellyfin}/web/`);
      await isLive(on);
      const live = await opened;
      const copied = await context.cookies();
      assert.ok(copied.some((cookie) => cookie.domain.includes('example.test')), 'there is a session cookie to copy');

      const door = await context.newPage();
      await door.goto(`${at.routes.jellyfin}/.pomerium/`);
      await door.getByRole('button', { name: 'Sign out here' }).click();
      await until('the open WebSocket is closed', () => live.isClosed(), 8);
      await on.locator('#status[data-state=refused]').waitFor();
      assert.match(await on.locator('#status').innerText(), /refused \(401\)/, 'and asking again is a clean 401');
      await leaveProvider(door);

      const ours = copied.filter((cookie) => cookie.domain.includes('example.test'));
      const stolen = await at.status('/System/Info/Public', {
        accept: 'application/json', 'sec-fetch-mode': 'cors', cookie: ours.map(({ name, value }) => `${name}=${value}`).join('; '),
      });
      assert.equal(stolen, 401, 'the copied cookie is worth nothing');
      const again = await context.newPage();
      await again.goto(`${at.routes.jellyfin}/web/`);
      await asksWho(again);
      await context.close();
    });

    it('shows no password, cookie, code or token in logs, on pages or to the upstream', async () => {
      for (const context of browser.contexts()) for (const cookie of await context.cookies()) {
        if (cookie.domain.includes('example.test')) secret.add(`cookie ${cookie.name}`, cookie.value);
      }
      if (at.provider.wire) secret.overhear(at.provider.wire);
      const kinds = secret.kinds();
      assert.ok(kinds.some((kind) => kind.startsWith('cookie __Host-_pomerium')), `a session cookie is among them: ${kinds}`);
      if (at.provider.wire) {
        assert.ok(kinds.some((kind) => kind === 'token of the provider'), 'tokens were overheard');
        assert.ok(kinds.some((kind) => kind.startsWith('code')), 'codes were seen');
      }
      assert.match(at.usher.output, /System\/Info\/Public/, 'there is a log to search');
      assert.deepEqual(secret.leaked(at.usher.output), [], 'in the log');
      assert.ok(!at.usher.output.includes('canary-query-6Rb1'), 'a query string is in the log');
      assert.ok(secret.pages.length > 10, 'there are pages to search');
      for (const { url, html } of secret.pages) {
        // The sign-in page carries its own flow's handle; nothing else belongs on any page.
        assert.deepEqual(secret.leaked(html, { except: (what) => what.startsWith('flow') || /^cookie (?!__Host-_pomerium$)/.test(what) || what.includes(' in /.pomerium/') }), [], `on the page ${new URL(url).pathname}`);
      }
      assert.deepEqual(secret.leaked(at.wire.up(), { except: (what) => what === 'assertion' }), [], 'at the upstream');
    });

    /** After "another account" a provider may first ask whether to sign out there. */
    async function asksWhoAfterProvider(on) {
      await leaveProvider(on);
      await asksWho(on);
    }

    /** Confirms the provider's own sign-out page where it shows one. */
    async function leaveProvider(on) {
      await on.waitForLoadState();
      const confirm = on.locator('button[name=logout], #kc-logout');
      if (await confirm.count()) { await confirm.click(); await on.waitForLoadState(); }
    }
  });
}

/** The protocol that a page's document came by. */
function protocolOf(page) {
  return page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
}
