// Codes of an app beside a password (RFC 6238) in Chromium: asked for, taken once, replaced by
// a recovery code where the app is lost, and not to be guessed.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { people } from '../parts/people.mjs';
import { street } from '../parts/street.mjs';

const STEP = 30_000;
const NOT_NOW = 'That is not the code that your app shows now, or it was used before.';

/** An app of codes. `next`: a code that it has not shown before, good for half a minute at least. */
function app(secret) {
  const key = Buffer.from([...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('').match(/.{8}/g).map((bits) => Number.parseInt(bits, 2)));
  const at = (step) => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const digest = createHmac('sha1', key).update(counter).digest();
    return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
  };
  let last = 0;
  return {
    async next() {
      last = Math.max(last + 1, Math.floor(Date.now() / STEP));
      // One step early is forgiven, two are not.
      await wait(Math.max(0, (last - 1) * STEP - Date.now()));
      return at(last);
    },
    /** Of no moment of this hour. */
    wrong() {
      const now = Math.floor(Date.now() / STEP);
      const near = new Set(Array.from({ length: 240 }, (_, n) => at(now - 120 + n)));
      return Array.from({ length: 241 }, (_, n) => String(n).padStart(6, '0')).find((code) => !near.has(code));
    },
  };
}

describe('codes of an app', { concurrency: false }, () => {
  let at, codes, recovery, used;
  before(async () => { at = await street(); });
  after(() => at?.stop());

  /** A new browser in which the password was typed for this page. */
  async function arrives(url) {
    const context = await at.browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    await page.fill('#email', people.ana.email);
    await page.fill('#password', people.ana.password);
    await page.click('main button[type=submit]');
    return page;
  }

  async function types(page, code) {
    await page.fill('#code', code);
    await Promise.all([page.waitForEvent('load'), page.click('main button[type=submit]')]);
  }

  it('are asked for once the app has shown one', async () => {
    const page = await arrives(at.at('tv') + '/.pomerium/account');
    await page.waitForURL('**/.pomerium/account');
    const part = page.locator('section[aria-labelledby=app]');
    codes = app((await part.locator('code').innerText()).trim());
    await page.fill('#code', codes.wrong());
    await part.getByRole('button', { name: 'Ask for codes' }).click();
    await page.getByRole('alert').waitFor();
    assert.equal(await part.getByRole('button', { name: 'Ask for codes' }).isVisible(), true, 'a wrong code sets nothing');
    // The page has another secret now: what an app knows is what the page that counts has shown.
    codes = app((await part.locator('code').innerText()).trim());
    used = await codes.next();
    await page.fill('#code', used);
    await part.getByRole('button', { name: 'Ask for codes' }).click();
    const shown = page.locator('section[aria-labelledby=recovery] code');
    await shown.first().waitFor();
    recovery = await shown.allInnerTexts();
    assert.ok(recovery.length >= 8 && new Set(recovery).size === recovery.length, `${recovery.length} codes`);
    await page.reload();
    await page.getByText(`Recovery codes left: ${recovery.length}.`).waitFor();
    assert.equal(await shown.count(), 0, 'loaded again, the page takes the codes of nobody away');
    await page.context().close();
  });

  it('let in with the password, each once', async () => {
    const page = await arrives(at.at('tv') + '/film');
    await page.getByText('One more step').waitFor();
    const focused = await page.evaluate(() => document.activeElement.id);
    assert.equal(focused, 'code', 'it can be typed at once');
    await types(page, codes.wrong());
    await page.getByText(NOT_NOW).waitFor();
    await types(page, used);
    await page.getByText(NOT_NOW).waitFor();
    used = await codes.next();
    await types(page, used);
    await page.waitForURL(at.at('tv') + '/film');

    const thief = await arrives(at.at('tv') + '/film');
    await types(thief, used);
    await thief.getByText(NOT_NOW).waitFor();
    await thief.goto(at.at('tv') + '/film');
    assert.match(thief.url(), /sign_in/, 'a password and a used code are nothing');
    await Promise.all([page.context().close(), thief.context().close()]);
  });

  it('are replaced by a recovery code, once', async () => {
    const page = await arrives(at.at('tv') + '/film');
    await types(page, recovery[0].toLowerCase());
    await page.waitForURL(at.at('tv') + '/film');
    await page.goto(at.at('tv') + '/.pomerium/account');
    await page.getByText(`Recovery codes left: ${recovery.length - 1}.`).waitFor();

    const thief = await arrives(at.at('tv') + '/film');
    await types(thief, recovery[0]);
    await thief.getByText(NOT_NOW).waitFor();
    await Promise.all([page.context().close(), thief.context().close()]);
  });

  it('are not guessed: after some tries even the right one has to wait', async () => {
    const page = await arrives(at.at('tv') + '/film');
    await page.getByText('One more step').waitFor();
    const stopped = page.getByText('Too many tries.');
    for (let tries = 0; (await stopped.count()) === 0; tries += 1) {
      assert.ok(tries < 12, 'somebody may guess on and on');
      await types(page, codes.wrong());
    }
    await types(page, recovery[1]);
    await stopped.waitFor();
    assert.match(page.url(), /sign_in/);
    await page.context().close();
  });
});
