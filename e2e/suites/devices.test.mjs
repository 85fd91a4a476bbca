// The page of somebody's devices in Chromium: on a desk, a phone and a TV, light and dark, by keyboard
// alone; what an app reads on its screen when it is ended, and how soon its socket closes.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { house } from '../parts/house.mjs';
import { people } from '../parts/people.mjs';

const KEY = '0123456789abcdef0123456789abcdef';
const SHOTS = process.env.USHER_SHOTS ?? fileURLToPath(new URL('../out/screenshots/devices/', import.meta.url));

describe('the devices page', { concurrency: false }, () => {
  let home, browser, page, tv, list;
  const apps = {};

  before(async () => {
    await mkdir(SHOTS, { recursive: true });
    home = await house({ route: `    jellyfin: {api_key: ${KEY}}\n`, cinema: ['--admin-key', KEY] });
    browser = await home.browser();
    tv = home.routes.jellyfin;
    list = `${tv}/.pomerium/devices`;
    page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(list);
    await home.provider.signIn(page, people.ana);
    await page.getByRole('heading', { name: 'Your devices' }).waitFor();
  });
  after(() => home?.stop());

  /** An app with no cookie, in a window of its own, that its owner lets in by its code. */
  async function app(client, device, id) {
    const window = await (await browser.newContext()).newPage();
    await window.goto(`${tv}/System/Info/Public`);
    const says = `MediaBrowser Client="${client}", Device="${device}", DeviceId="${id}", Version="1.0"`;
    const ask = (path, { method = 'GET', token, body } = {}) => window.evaluate(async ([path, method, authorization, body]) => {
      const headers = { authorization, 'content-type': 'application/json', accept: 'application/json' };
      const answer = await fetch(path, { method, headers, body, credentials: 'omit' });
      return { status: answer.status, text: await answer.text() };
    }, [path, method, token ? `${says}, Token="${token}"` : says, body]);
    const { Code, Secret } = JSON.parse((await ask('/QuickConnect/Initiate', { method: 'POST' })).text);
    await page.goto(`${tv}/link`);
    await page.fill('#code', Code);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('button', { name: 'Let it in' }).click();
    await page.getByRole('alert').getByText('is in.').waitFor();
    const { text } = await ask('/Users/AuthenticateWithQuickConnect', { method: 'POST', body: JSON.stringify({ Secret }) });
    const token = JSON.parse(text).AccessToken;
    assert.equal((await ask('/Users/Me', { token })).status, 200);
    return { window, ask, token, me: async () => (await ask('/Users/Me', { token })).status };
  }

  const named = (name) => page.locator('ul.sessions > li', { hasText: name });
  const shot = (where, name) => where.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });

  it('lists the apps that were let in', async () => {
    assert.equal(await page.locator('ul.sessions > li').count(), 0);
    await page.getByText('You have let no app in yet.').waitFor();
    apps.tv = await app('Jellyfin Android TV', 'SHIELD', 'shield-1');
    apps.phone = await app('Findroid', 'Pixel 8', 'pixel-1');
    await page.goto(list);
    const shown = await named('SHIELD').innerText();
    for (const part of ['Jellyfin Android TV', 'jellyfin.example.test', 'let in with its code', 'last seen', '127.0.0.1']) {
      assert.ok(shown.includes(part), `${part}: ${shown}`);
    }
    await shot(page, 'desk-light');
    await page.goto(`${tv}/.pomerium/`);
    await page.getByRole('link', { name: 'Your devices' }).click();
    await page.waitForURL(list);
  });

  it('renames one by keyboard alone', async () => {
    await page.goto(list);
    const focused = () => page.evaluate(() => document.activeElement.innerText || document.activeElement.name || '');
    const tabTo = async (what) => {
      for (let n = 0; n < 60; n += 1) {
        await page.keyboard.press('Tab');
        if (what.test(await focused())) return;
      }
      assert.fail(`${what} can't be reached by keyboard`);
    };
    await tabTo(/^Rename SHIELD$/);
    await page.keyboard.press('Enter');
    await tabTo(/^name$/);
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('the TV in the living room');
    await page.keyboard.press('Enter');
    await named('the TV in the living room').getByText('called SHIELD then').waitFor();
    assert.equal(await apps.tv.me(), 200);
  });

  for (const [name, options] of [
    ['phone-dark', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }],
    ['tv-dark', { viewport: { width: 1920, height: 1080 }, colorScheme: 'dark' }],
    ['phone-light-de', { viewport: { width: 360, height: 740 }, locale: 'de' }],
    ['desk-ja', { locale: 'ja' }],
  ]) {
    it(`fits on ${name}`, async () => {
      const storageState = await page.context().storageState();
      const context = await browser.newContext({ ...options, storageState });
      const other = await context.newPage();
      await other.goto(list);
      await other.locator('ul.sessions > li').first().waitFor();
      await other.locator('summary').first().click();
      const wide = await other.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(wide, 0, 'nothing sticks out');
      const small = await other.evaluate(() => [...document.querySelectorAll('button, summary, input:not([type=hidden])')]
        .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24).map((one) => one.outerHTML));
      assert.deepEqual(small, [], 'a finger hits it');
      await shot(other, name);
      await context.close();
    });
  }

  it('ends one, which reads so on its screen and is closed within five seconds', async () => {
    await apps.tv.window.evaluate((token) => new Promise((opened, wrong) => {
      window.heard = [];
      const socket = new WebSocket(`${location.origin.replace('https', 'wss')}/socket?ApiKey=${token}`);
      socket.onmessage = ({ data }) => { window.heard.push(JSON.parse(data)); opened(); };
      socket.onerror = wrong;
      window.over = new Promise((resolve) => { socket.onclose = () => resolve(performance.now()); });
    }), apps.tv.token);
    await page.goto(list);
    const began = await apps.tv.window.evaluate(() => performance.now());
    await named('the TV in the living room').getByRole('button', { name: 'End it' }).click();
    await named('the TV in the living room').waitFor({ state: 'detached' });
    assert.equal(await apps.tv.me(), 401, 'refused at once');
    const closed = await apps.tv.window.evaluate(() => window.over);
    const heard = await apps.tv.window.evaluate(() => window.heard);
    const told = heard.find((one) => one.Data?.Name === 'DisplayMessage');
    assert.equal(told?.Data.Arguments.Header, 'Access ended', JSON.stringify(heard));
    assert.ok(closed - began < 5000, `closed after ${closed - began} ms`);
    console.log(`told, and closed after ${Math.round(closed - began)} ms`);
    assert.equal(await apps.phone.me(), 200, 'the other goes on');
  });

  it('ends all of them', async () => {
    apps.other = await app('Swiftfin', 'iPad', 'ipad-1');
    await page.goto(list);
    await page.getByRole('button', { name: 'End all of them' }).click();
    await page.getByText('You have let no app in yet.').waitFor();
    assert.deepEqual([await apps.phone.me(), await apps.other.me()], [401, 401]);
    await shot(page, 'none');
    await page.goto(`${tv}/web/index.html`);
    assert.ok(page.url().startsWith(tv) && !page.url().includes("sign_in"), "her browser stays signed in");
  });
});
