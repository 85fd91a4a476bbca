// An admin has the server examined in the browser: without a script, by keyboard, in the dark, on a
// phone, in another language. Behind the door stands the stand-in for Jellyfin, and nothing more.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startCinema } from '../parts/house.mjs';
import { street } from '../parts/street.mjs';

/** What each page looked like, to look at. */
const SHOTS = process.env.USHER_SHOTS ?? fileURLToPath(new URL('../out/screenshots/doctor/', import.meta.url));
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const ANA = 'ana@example.test';
const KEY = '0123456789abcdef0123456789abcdef';

describe('a doctor in the browser', { concurrency: false }, () => {
  let at, cinema, password, state, page;
  const doctor = () => `${at.at('auth')}/.pomerium/doctor`;
  before(async () => {
    await mkdir(SHOTS, { recursive: true });
    cinema = await startCinema(['--admin-key', KEY]);
    at = await street({
      config: (at) => `authenticate_service_url: ${at('auth')}\nadmin_groups: [admins]\n`,
      routes: (at) => `  - from: ${at('tv')}\n    to: ${cinema.url}\n    timeout: 30s\n    policy: [{allow: {or: [{claim/groups: family}]}}]\n`
        + `  - from: ${at('films')}\n    to: ${cinema.url}\n    jellyfin: {api_key: ${KEY}}\n    policy: [{allow: {or: [{claim/groups: family}]}}]\n`,
      residents: [],
    });
    const said = await at.operator('add', ANA, '--name', 'Ana', '--group', 'family', '--group', 'admins');
    [, password] = said.match(/^password (\S+)$/m);
  });
  after(async () => {
    await at?.stop();
    await cinema?.program.stop();
  });

  const visit = async (options = {}) => {
    const context = await at.browser.newContext({ ...options, storageState: state });
    context.setDefaultTimeout(30_000);
    return [context, await context.newPage()];
  };
  const shot = async (on, name) => {
    const fits = await on.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    await on.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
    assert.ok(fits, `nothing sticks out of ${name}`);
  };

  it('is found from the own page, begins nothing by being opened, and needs no script', async () => {
    let context;
    [context, page] = await visit({ locale: 'en-GB' });
    await page.goto(`${at.at('auth')}/.pomerium/`);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.fill('#email', ANA);
    await page.fill('#password', password);
    await page.click('main button[type=submit]');
    await page.getByRole('link', { name: 'Examine this server' }).waitFor();
    state = await context.storageState();
    await context.close();
    [, page] = await visit({ locale: 'en-GB', javaScriptEnabled: false });
    await page.goto(`${at.at('auth')}/.pomerium/`);
    await page.getByRole('link', { name: 'Examine this server' }).click();
    await page.getByText('Nothing was examined').waitFor();
    await page.screenshot({ path: `${SHOTS}/unasked.png`, fullPage: true });
  });

  it('examines by keyboard, looks again by itself, and names what is wrong', async () => {
    const button = page.getByRole('button', { name: 'Examine now' });
    for (let step = 0; step < 12 && !(await button.evaluate((one) => one === document.activeElement)); step += 1) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByText(/It runs since|Examined/).waitFor();
    await page.screenshot({ path: `${SHOTS}/runs.png`, fullPage: true });
    await page.getByRole('heading', { name: 'What to mend' }).waitFor({ timeout: 120_000 });
    const text = await page.locator('main').innerText();
    for (const code of ['D101', 'D102', 'D104']) assert.ok(text.includes(code), `${code}: ${text}`);
    assert.equal(await page.locator('main .facts dd:not([lang=en])').count(), 0, 'findings are marked as English');
    await page.screenshot({ path: `${SHOTS}/done.png`, fullPage: true });
  });

  it('shows by keyboard what it would change in Jellyfin, changes that, and puts it back', async () => {
    const settings = async () => JSON.stringify(await Promise.all(['', '/network'].map(async (area) =>
      (await fetch(`${cinema.url}/System/Configuration${area}?ApiKey=${KEY}`)).json())));
    const press = async (name) => {
      const button = page.getByRole('button', { name });
      for (let step = 0; step < 40 && !(await button.evaluate((one) => one === document.activeElement)); step += 1) {
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('Enter');
    };
    const before = await settings();
    await press('Show what would be changed');
    await page.getByRole('heading', { name: 'What would be changed' }).waitFor({ timeout: 120_000 });
    assert.equal(await settings(), before, 'nothing was changed');
    await page.screenshot({ path: `${SHOTS}/offered.png`, fullPage: true });
    await press('Change it in Jellyfin');
    await page.getByText('It was changed, and everything was examined again.').waitFor({ timeout: 120_000 });
    assert.notEqual(await settings(), before);
    await page.screenshot({ path: `${SHOTS}/mended.png`, fullPage: true });
    await press('Put back what was changed');
    await page.getByText('was put back, and everything was examined again.').waitFor({ timeout: 120_000 });
    assert.equal(await settings(), before);
  });

  it('is read on a phone in the dark and in German, the same examination', async () => {
    const [context, phone] = await visit({ ...PHONE, colorScheme: 'dark', locale: 'de-DE' });
    await phone.goto(doctor());
    await phone.getByRole('heading', { name: 'Untersuchung dieses Servers' }).waitFor();
    await phone.getByRole('heading', { name: 'Was zu beheben ist' }).waitFor();
    await shot(phone, 'done-on-a-phone-in-the-dark');
    await phone.locator('summary').click();
    await shot(phone, 'fine-on-a-phone-in-the-dark');
    await context.close();
  });
});
