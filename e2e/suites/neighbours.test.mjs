// A site of somebody else on the same parent domain: in real Chromium it sets cookies for all of
// it. It locks nobody out, and nobody acts as the one who sent them there.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { people } from '../parts/people.mjs';
import { street } from '../parts/street.mjs';

const SHARED = 'Domain=example.test; Secure';
/** Every path that is more specific than ours, so that its cookie comes first (RFC 6265 §5.4). */
const PATHS = ['/', '/.pomerium', '/.pomerium/', '/.pomerium/sign_in', '/.pomerium/callback/', '/film'];

for (const [what, config] of [['without a cookie_domain', ''], ['with a cookie_domain', 'cookie_domain: example.test\n']]) {
  describe(`a sibling site, ${what}`, { concurrency: false }, () => {
    let at;
    before(async () => { at = await street({ config }); });
    after(() => at?.stop());

    const visitor = async () => {
      const context = await at.browser.newContext({ ignoreHTTPSErrors: true }); // the sibling's certificate
      context.setDefaultTimeout(10_000);
      return context;
    };
    const signIn = async (on, person) => {
      await on.fill('#email', person.email);
      await on.fill('#password', person.password);
      await on.click('main button[type=submit]');
    };
    const whoAt = (on, host) => on.evaluate(async () => {
      const answer = await fetch('/.pomerium/user', { headers: { accept: 'application/json' } });
      return answer.status === 200 ? (await answer.json()).email : answer.status;
    });
    /** Goes to `path` of `host`, signs in if asked, and ends in the app. */
    const getIn = async (context, host, path, person) => {
      const on = await context.newPage();
      const answer = await on.goto(at.at(host) + path);
      assert.ok(answer.status() < 400, `${answer.status()} at ${on.url()}`);
      if (await on.locator('#password').count()) await signIn(on, person);
      await on.waitForURL(at.at(host) + path);
      await on.getByRole('heading', { name: 'app' }).waitFor();
      return on;
    };
    const handleOf = async (context, host, name) =>
      (await context.cookies(at.at(host))).find((cookie) => cookie.name === name)?.value;

    it("can't lock a person out, whatever it sets under our names", async () => {
        const values = ['x', '', 'e30.e30.e30'];
        // One name, domain and path is one cookie: each path gets another value.
        const lines = PATHS.flatMap((path, n) => ['_pomerium', '_pomerium_authenticate', '__Host-_pomerium']
          .map((name) => `${name}=${values[n % 3]}; ${SHARED}; Path=${path}`));
        const fresh = await visitor();
        await at.sibling.toss(fresh, lines);
        const there = (await fresh.cookies(at.at('tv') + '/film')).map((cookie) => cookie.name);
        assert.ok(there.includes('_pomerium'), `the sibling really set one: ${there}`);
        assert.ok(!there.includes('__Host-_pomerium'), 'Chromium keeps the prefix to its host');
        const on = await getIn(fresh, 'tv', '/film', people.ana);
        assert.equal(await whoAt(on), people.ana.email);
        for (const path of ['/', '/film', '/film?again']) assert.equal((await on.goto(at.at('tv') + path)).status(), 200, path);
        await getIn(fresh, 'notes', '/film', people.ana);
        await fresh.close();

        const known = await visitor();
        const before = await getIn(known, 'tv', '/film', people.ana);
        await at.sibling.toss(known, lines);
        assert.equal((await before.goto(at.at('tv') + '/film')).status(), 200, 'who is in stays in');
        assert.equal(await whoAt(before), people.ana.email);
        await before.goto(at.at('tv') + '/.pomerium/');
        await before.getByRole('button', { name: 'Sign out here' }).click();
        await before.getByRole('heading', { name: 'You are signed out.' }).waitFor();
        await getIn(known, 'tv', '/film', people.ana);
        await known.close();
    });

    it("can't make a person act as the attacker", async () => {
      const attacker = await visitor();
      await getIn(attacker, 'notes', '/', people.eve);
      const eves = [await handleOf(attacker, 'notes', '_pomerium'), await handleOf(attacker, 'notes', '__Host-_pomerium'),
        await handleOf(attacker, 'tv', '__Host-_pomerium_authenticate')].filter(Boolean);
      assert.ok(eves.length >= 2, 'the attacker has handles to give away');
      const lines = eves.flatMap((value) => PATHS.flatMap((path) =>
        ['_pomerium', '_pomerium_authenticate', '_pomerium_csrf', '__Host-_pomerium', '__Host-_pomerium_authenticate', '__Secure-_pomerium']
          .map((name) => `${name}=${value}; ${SHARED}; Path=${path}`)));

      // A person who is signed in where she goes.
      const known = await visitor();
      const on = await getIn(known, 'notes', '/', people.ana);
      await at.sibling.toss(known, lines);
      for (const path of ['/', '/film']) {
        await on.goto(at.at('notes') + path);
        assert.equal(await whoAt(on), people.ana.email, `at ${path}`);
      }
      await on.goto(at.at('notes') + '/.pomerium/');
      const here = await on.locator('main').innerText();
      assert.ok(here.includes(people.ana.email) && !here.includes(people.eve.email), here);
      // And goes on to another host: the sign-in there is hers.
      const other = await getIn(known, 'tv', '/film', people.ana);
      assert.equal(await whoAt(other), people.ana.email);
      await known.close();

      // A person who is signed in nowhere.
      const fresh = await visitor();
      await at.sibling.toss(fresh, lines);
      const open = await fresh.newPage();
      await open.goto(at.at('open') + '/.pomerium/');
      const shown = await open.locator('main').innerText();
      assert.ok(!shown.includes(people.eve.email), shown);
      const asked = await fresh.newPage();
      await asked.goto(at.at('notes') + '/');
      assert.ok(await asked.locator('#password').count(), 'she is asked who she is');
      await signIn(asked, people.ana);
      await asked.waitForURL(at.at('notes') + '/');
      assert.equal(await whoAt(asked), people.ana.email);
      await fresh.close();
      await attacker.close();
    });
  });
}
