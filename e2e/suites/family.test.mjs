// From nothing to a family of three, with what the README, the pages and the links say alone: an admin
// at a desk, a partner who is invited on a phone that speaks German, and a guest until Sunday in the
// dark. Behind the door stands the stand-in for Jellyfin.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startCinema } from '../parts/house.mjs';
import { street } from '../parts/street.mjs';
import { isLive, play } from './cinema-page.mjs';

/** What each page looked like, to look at. */
const SHOTS = process.env.USHER_SHOTS ?? fileURLToPath(new URL('../out/screenshots/family/', import.meta.url));
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const ANA = 'ana@example.test';

/** The next Sunday, as a field for a day takes it. */
function sunday(from = new Date()) {
  const day = new Date(from.getTime() + (7 - from.getUTCDay()) * 24 * 3600 * 1000);
  return day.toISOString().slice(0, 10);
}

describe('a family', { concurrency: false }, () => {
  let at, cinema, films, desk, password;
  before(async () => {
    await mkdir(SHOTS, { recursive: true });
    cinema = await startCinema();
    at = await street({
      config: (at) => `contact: Ana, the flat upstairs\nauthenticate_service_url: ${at('auth')}\nadmin_groups: [admins]\n`,
      routes: (at) => `  - from: ${at('tv')}\n    to: ${cinema.url}\n    allow_websockets: true\n    preserve_host_header: true\n    policy: [{allow: {or: [{claim/groups: family}]}}]\n`,
      residents: [],
    });
    films = `${at.at('tv')}/web/`;
  });
  after(async () => {
    await at?.stop();
    await cinema?.program.stop();
  });

  const visit = async (options = {}) => {
    const context = await at.browser.newContext(options);
    context.setDefaultTimeout(15_000);
    return [context, await context.newPage()];
  };
  const shot = async (page, name) => {
    const fits = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    assert.ok(fits, `nothing sticks out of ${name}`);
    await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
  };
  /** An invitation, as the admin's page makes it: the link to send. */
  const invites = async (whom, name) => {
    await desk.goto(`${at.at('auth')}/.pomerium/people`);
    for (const [field, value] of Object.entries(whom)) await desk.fill(`#${field}`, value);
    await shot(desk, `${name}-filled-in`);
    await desk.getByRole('button', { name: 'Make an invitation' }).click();
    await desk.getByRole('heading', { name: 'A link to send' }).waitFor();
    await desk.getByRole('img', { name: 'The link for the camera of a phone' }).waitFor();
    await shot(desk, name);
    return desk.locator('main code').innerText();
  };

  it('has an admin, by the first command of the README that names somebody', async () => {
    const said = await at.operator('add', ANA, '--name', 'Ana', '--group', 'family', '--group', 'admins');
    [, password] = said.match(/^password (\S+)$/m);
    [, desk] = await visit({ locale: 'en-GB' });
    await desk.goto(films);
    await desk.getByText('the flat upstairs').waitFor();
    await shot(desk, 'admin-sign-in');
    await desk.fill('#email', ANA);
    await desk.fill('#password', password);
    await desk.click('main button[type=submit]');
    await desk.waitForURL(films);
    await isLive(desk);
    await play(desk);
    await shot(desk, 'admin-watches');
  });

  it('who chooses a language, and it is remembered', async () => {
    await desk.goto(`${at.at('auth')}/.pomerium/sessions`);
    await desk.getByRole('heading', { name: 'Where you are signed in' }).waitFor();
    await desk.selectOption('select[data-language]', 'fr');
    await desk.getByRole('heading', { name: 'Où vous êtes connecté' }).waitFor();
    assert.equal(await desk.locator('html').getAttribute('lang'), 'fr');
    await shot(desk, 'admin-sessions');
    await desk.goto(`${at.at('auth')}/.pomerium/`);
    await desk.getByRole('heading', { name: 'Groupes' }).waitFor();
    await desk.selectOption('select[data-language]', 'en');
    await desk.getByRole('heading', { name: 'Groups' }).waitFor();
  });

  it('finds the page of people', async () => {
    await shot(desk, 'admin-home');
    await desk.getByRole('link', { name: 'People' }).click();
    await desk.getByRole('heading', { name: 'Who is here' }).waitFor();
    await desk.locator('main').getByText(ANA).first().waitFor();
    await shot(desk, 'admin-people-alone');
  });

  it('and a partner by an invitation, on a phone that speaks German', async () => {
    const link = await invites({ email: 'pat@example.test', name: 'Pat', groups: 'family' }, 'admin-invites-partner');
    const [context, page] = await visit({ ...PHONE, locale: 'de-DE' });
    const cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
    await page.goto(link);
    await page.getByRole('heading', { name: 'Willkommen' }).waitFor();
    await shot(page, 'partner-welcome');
    await page.getByRole('button', { name: 'Weiter mit einem Passkey' }).click();
    await page.waitForURL('**/.pomerium/');
    await page.getByText('Diese Sitzung').waitFor();
    await shot(page, 'partner-in');
    await page.getByRole('link', { name: 'Was du öffnen kannst' }).click();
    await page.locator(`a[href^="${at.at('tv')}"]`).waitFor();
    await shot(page, 'partner-finds-the-films');
    await page.locator(`a[href^="${at.at('tv')}"]`).click();
    await page.waitForURL(`${at.at('tv')}/**`);
    await page.goto(films);
    await isLive(page);
    await shot(page, 'partner-watches');
    const people = await page.goto(`${at.at('auth')}/.pomerium/people`);
    assert.equal(people.status(), 404, 'and is no admin');
    await context.close();
  });

  it('and a guest until Sunday, in the dark', async () => {
    const link = await invites({ email: 'gus@example.test', name: 'Gus', groups: 'family', until: sunday() }, 'admin-invites-guest');
    const [context, page] = await visit({ ...PHONE, colorScheme: 'dark', locale: 'en-GB' });
    await page.goto(link);
    await page.getByText('You can come until').waitFor();
    await shot(page, 'guest-welcome');
    await page.fill('#password', 'canary-pass-gus-3Tn8');
    await page.getByRole('button', { name: 'Go on with a password' }).click();
    await page.waitForURL('**/.pomerium/');
    await page.goto(films);
    await isLive(page);
    await shot(page, 'guest-watches');
    await context.close();
  });

  it('whom the admin sees, all three', async () => {
    await desk.goto(`${at.at('auth')}/.pomerium/people`);
    for (const email of [ANA, 'pat@example.test', 'gus@example.test']) {
      await desk.locator('main').getByText(email, { exact: true }).first().waitFor();
    }
    const guest = desk.locator('main .sessions > li', { hasText: 'gus@example.test' });
    assert.match(await guest.innerText(), /until /);
    const air = await guest.locator('.groups li').evaluate((group) => parseFloat(getComputedStyle(group).paddingLeft));
    assert.ok(air > 4, 'a group does not touch its border');
    await shot(desk, 'admin-people');
    await desk.setViewportSize(PHONE.viewport);
    await guest.locator('summary').click();
    await shot(desk, 'admin-people-on-a-phone');
    await desk.context().close();
  });
});
