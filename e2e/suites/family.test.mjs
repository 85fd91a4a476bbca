// A family of three, with what the pages say alone: an admin at a desk, a partner who is invited on a
// phone that speaks German, and a guest until Sunday in the dark.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { people } from '../parts/people.mjs';
import { street } from '../parts/street.mjs';

/** What each page looked like, to look at. */
const SHOTS = process.env.USHER_SHOTS ?? fileURLToPath(new URL('../out/screenshots/family/', import.meta.url));
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

function library(asked, reply) {
  reply.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  reply.end('<!doctype html><title>Films</title><h1>Films</h1>');
}

/** The next Sunday, as `--until` takes it. */
function sunday(from = new Date()) {
  const day = new Date(from.getTime() + (7 - from.getUTCDay()) * 24 * 3600 * 1000);
  return day.toISOString().slice(0, 10);
}

describe('a family', { concurrency: false }, () => {
  let at, films;
  before(async () => {
    await mkdir(SHOTS, { recursive: true });
    at = await street({ config: 'contact: Ana, the flat upstairs\n', answer: library });
    films = `${at.at('notes')}/`;
  });
  after(() => at?.stop());

  const visit = async (options = {}) => {
    const context = await at.browser.newContext(options);
    context.setDefaultTimeout(10_000);
    return [context, await context.newPage()];
  };
  const shot = async (page, name) => {
    const fits = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    assert.ok(fits, `nothing sticks out of ${name}`);
    await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
  };
  const opensFilms = async (page) => {
    await page.goto(films);
    await page.getByRole('heading', { name: 'Films' }).waitFor();
  };

  it('has an admin, who chooses a language', async () => {
    const [context, page] = await visit();
    await page.goto(films);
    await page.getByText('the flat upstairs').waitFor();
    await shot(page, 'admin-sign-in');
    await page.fill('#email', people.ana.email);
    await page.fill('#password', people.ana.password);
    await page.click('main button[type=submit]');
    await page.getByRole('heading', { name: 'Films' }).waitFor();
    await page.goto(`${at.at('notes')}/.pomerium/sessions`);
    await page.getByRole('heading', { name: 'Where you are signed in' }).waitFor();
    await page.selectOption('select[data-language]', 'fr');
    await page.getByRole('heading', { name: 'Où vous êtes connecté' }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'fr');
    await shot(page, 'admin-sessions');
    await page.goto(`${new URL(page.url()).origin}/.pomerium/`);
    await page.getByText('Groupes').waitFor(); // remembered
    await context.close();
  });

  it('and a partner by an invitation, on a phone that speaks German', async () => {
    const said = await at.operator('invite', 'pat@example.test', '--name', 'Pat', '--group', 'family');
    const [link] = said.split('\n');
    assert.match(said, /[█▀▄]{20}/, 'a code for a camera');
    assert.match(said, /To send:\n\n[^\n]+\n/, 'a text to send');
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
    await opensFilms(page);
    await context.close();
  });

  it('and a guest until Sunday, in the dark', async () => {
    const said = await at.operator('invite', 'gus@example.test', '--name', 'Gus', '--until', sunday());
    const [context, page] = await visit({ ...PHONE, colorScheme: 'dark', locale: 'en-GB' });
    await page.goto(said.split('\n')[0]);
    await page.getByText('You can come until').waitFor();
    await shot(page, 'guest-welcome');
    await page.fill('#password', 'canary-pass-gus-3Tn8');
    await page.getByRole('button', { name: 'Go on with a password' }).click();
    await page.waitForURL('**/.pomerium/');
    await opensFilms(page);
    await context.close();
  });
});
