// Nobody signs in twice: a page that keeps its token where the web client of a Jellyfin does, and
// sends what it sends, opens as whoever is signed in at usher.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { house } from '../parts/house.mjs';
import { people } from '../parts/people.mjs';
import { until } from '../parts/process.mjs';
import { isLive, play } from './cinema-page.mjs';

const KEY = '0123456789abcdef0123456789abcdef';
const SHOTS = process.env.USHER_SHOTS ?? fileURLToPath(new URL('../out/screenshots/seats/', import.meta.url));

describe('a seat in the library', { concurrency: false }, () => {
  let home, browser, context, page, library;

  before(async () => {
    await mkdir(SHOTS, { recursive: true });
    home = await house({ route: `    jellyfin: {api_key: ${KEY}}\n`, guests: [people.eve], cinema: ['--admin-key', KEY] });
    browser = await home.browser();
    context = await browser.newContext();
    context.setDefaultTimeout(20_000);
    page = await context.newPage();
    library = `${home.routes.jellyfin}/web/`;
  });
  after(() => home?.stop());

  const isHers = async (tab) => {
    await isLive(tab);
    assert.equal(await tab.textContent('#session-user'), people.ana.email);
    assert.ok(tab.url().startsWith(library), tab.url());
  };
  const kept = (tab) => tab.evaluate(() => JSON.parse(localStorage.jellyfin_credentials).Servers);
  const shot = (name) => page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });

  it('is taken by signing in once', async () => {
    await page.goto(library);
    await home.provider.signIn(page, people.ana);
    await isHers(page);
    await shot('library');
    const [server] = await kept(page);
    assert.equal(server.ManualAddress, home.routes.jellyfin);
    await play(page);
  });

  it('is one for all tabs, and leaves the entries of other servers', async () => {
    const [{ AccessToken: token }] = await kept(page);
    await page.evaluate(() => {
      const all = JSON.parse(localStorage.jellyfin_credentials);
      all.Servers.push({ Id: 'other', ManualAddress: 'https://other.example', AccessToken: 'theirs' });
      localStorage.jellyfin_credentials = JSON.stringify(all);
    });
    const tabs = await Promise.all([context.newPage(), context.newPage()]);
    await Promise.all(tabs.map((tab) => tab.goto(`${library}#/details?id=1`)));
    for (const tab of tabs) {
      await isHers(tab);
      assert.equal(new URL(tab.url()).hash, '#/details?id=1', 'where they were going');
      const servers = await kept(tab);
      assert.deepEqual(servers.map((one) => one.AccessToken), [token, 'theirs']);
      await tab.close();
    }
  });

  it('is taken anew where the library took the token back', async () => {
    const [{ AccessToken: token }] = await kept(page);
    const device = await page.evaluate(() => localStorage._deviceId2);
    const answer = await fetch(`${home.cinema.url}/Devices?id=${encodeURIComponent(device)}`,
      { method: 'DELETE', headers: { authorization: `MediaBrowser Token="${KEY}"` } });
    assert.equal(answer.status, 204);
    await page.goto(library);
    await isHers(page);
    assert.notEqual((await kept(page))[0].AccessToken, token);
  });

  it('is hers still after usher was started again', async () => {
    const [{ AccessToken: token }] = await kept(page);
    const cut = page.locator('#status:not([data-state=live])').waitFor();
    await home.restartUsher();
    await cut;
    await isLive(page);
    await page.goto(library);
    await isHers(page);
    assert.equal((await kept(page))[0].AccessToken, token);
  });

  it('is waited for while the library is away, and taken where it comes back', async () => {
    const [{ AccessToken: token }] = await kept(page);
    await home.cinema.program.stop();
    await page.goto(library);
    await page.getByText('The library does not answer right now. This page tries again by itself.').and(page.locator('[data-when]:not([hidden])')).waitFor();
    await shot('away');
    await home.cinemaComesBack();
    await isHers(page);
    assert.notEqual((await kept(page))[0].AccessToken, token, 'it forgot her token');
    await play(page);
  });

  it('ends with the session of its browser, in the middle of a film', async () => {
    const [{ AccessToken: token }] = await kept(page);
    assert.equal(await page.evaluate(() => document.querySelector('#film').paused), false, 'the film runs');
    await home.command('sessions', 'end', people.ana.email);
    await page.locator('#status:not([data-state=live])').waitFor();
    const cut = await page.evaluate(async () => (await fetch('/Users/Me', { headers: { accept: 'application/json' } })).status);
    assert.equal(cut, 401);
    await shot('ended');
    await until('it ends at the library, too', async () => {
      const headers = { authorization: `MediaBrowser Token="${token}"` };
      return (await fetch(`${home.cinema.url}/Users/Me`, { headers })).status === 401;
    });
    await page.goto(library);
    await home.provider.signIn(page, people.ana);
    await isHers(page);
    assert.notEqual((await kept(page))[0].AccessToken, token);
    await play(page);
  });

  it('is left by signing out in the library, and nobody is led back in', async () => {
    const status = await page.evaluate(async () => {
      const [{ AccessToken }] = JSON.parse(localStorage.jellyfin_credentials).Servers;
      const headers = { authorization: `MediaBrowser Token="${AccessToken}"` };
      return (await fetch('/Sessions/Logout', { method: 'POST', headers })).status;
    });
    assert.equal(status, 204);
    await page.goto(library);
    await home.provider.signIn(page, people.ana);
    await page.getByRole('heading', { name: 'You signed out of the library.' }).waitFor();
    await shot('left');
    await page.getByRole('link', { name: people.ana.email }).click();
    await isHers(page);
  });

  it('is taken by the button on the sign-in page of the library', async () => {
    await page.evaluate(async () => {
      delete localStorage.jellyfin_credentials;
      const { LoginDisclaimer } = await (await fetch('/Branding/Configuration')).json();
      const foot = document.createElement('div');
      foot.innerHTML = LoginDisclaimer;
      document.body.prepend(foot);
    });
    await shot('button');
    await page.getByRole('button', { name: 'Continue with usher' }).click();
    await isHers(page);
    assert.equal((await kept(page)).length, 1);
  });

  it("is the next one's where somebody else signs in at the same browser, with nothing of hers", async () => {
    const [{ AccessToken: hers, UserId: ana }] = await kept(page);
    const seen = [];
    const sees = (request) => seen.push(`${request.url()} ${request.headers().authorization ?? ''} ${request.postData() ?? ''}`);
    await page.goto(`${home.routes.jellyfin}/.pomerium/`);
    await page.getByRole('button', { name: 'Sign out here' }).click();
    await page.waitForURL('**/signed_out**');
    page.on('request', sees);
    await page.goto(library);
    await home.provider.signIn(page, people.eve);
    await isLive(page);
    assert.equal(await page.textContent('#session-user'), people.eve.email);
    await shot('the-next-one');
    const servers = await kept(page);
    assert.equal(servers.length, 1);
    assert.notEqual(servers[0].AccessToken, hers);
    assert.notEqual(servers[0].UserId, ana);
    await play(page);
    await page.reload();
    await isLive(page);
    assert.equal(await page.textContent('#session-user'), people.eve.email, 'in the next page, too');
    page.off('request', sees);
    // The page that seats a browser says which token it finds: that one request tells usher alone.
    const sent = seen.filter((request) => request.includes(hers) && !/\/seat(\?| |$)/.test(request));
    assert.deepEqual(sent, [], 'her token goes nowhere');
    await until('her token is worth nothing at the library', async () => {
      const headers = { authorization: `MediaBrowser Token="${hers}"` };
      return (await fetch(`${home.cinema.url}/Users/Me`, { headers })).status === 401;
    });
  });
});
