// Passkeys with Chromium's virtual authenticator: enrolled by an invitation, used without a name, lost,
// and replaced.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { people } from '../parts/people.mjs';
import { street } from '../parts/street.mjs';

/** A device with an authenticator of its own that verifies its owner; `phone`: and a small screen. */
async function device(browser, { phone = false } = {}) {
  const context = await browser.newContext(phone ? { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } : {});
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  return { context, page, lose: () => cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }) };
}

/** Keeps what a page looks like where somebody asked for it: `$USHER_SHOTS`. */
async function shot(page, name) {
  const folder = process.env.USHER_SHOTS;
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

const linkOf = (said) => said.split('\n')[0];
const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

describe('passkeys', { concurrency: false }, () => {
  let at;
  before(async () => {
    const ana = `email: {is: ${people.ana.email}}`;
    at = await street({
      config: (place) => `authenticate_service_url: ${place('login')}\n`,
      routes: (_, route) => route('tv', `policy: [{allow: {or: [{${ana}}]}}]`)
        + route('notes', 'policy: [{allow: {or: [{authenticated_user: true}]}}]')
        + route('vault', `policy: [{allow: {and: [{${ana}}, {passkey_within: 10m}]}}]`),
    });
  });
  after(() => at?.stop());

  it('by an invitation on a phone, then without a name, then lost and replaced', async () => {
    const said = await at.operator('invite', 'kim@example.test', '--name', 'Kim', '--until', '2099-12-31');
    assert.match(said, /[█▀▄]{20}/, 'a code for a camera');
    const phone = await device(at.browser, { phone: true });
    const { page } = phone;
    await page.goto(linkOf(said));
    await shot(page, 'welcome-phone');
    assert.ok(await wide(page), 'nothing sticks out');
    await page.getByRole('button', { name: 'Go on with a passkey' }).click();
    await page.waitForURL('**/.pomerium/');
    await page.getByText('kim@example.test').first().waitFor();
    await phone.context.clearCookies();

    await page.goto(at.at('notes') + '/film');
    await shot(page, 'sign-in-phone');
    // Offered where the address is typed, or by the button, whichever comes first.
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click({ timeout: 5000 }).catch(() => {});
    await page.waitForURL(at.at('notes') + '/film');

    const desk = await device(at.browser);
    await desk.page.goto(linkOf(said));
    await desk.page.getByText('used up').waitFor();

    await phone.lose();
    const again = await at.operator('recover', 'kim@example.test');
    await desk.page.goto(linkOf(again));
    await shot(desk.page, 'recover');
    await desk.page.getByRole('button', { name: 'Go on with a passkey' }).click();
    await desk.page.waitForURL('**/.pomerium/');
    await page.goto(at.at('notes') + '/film');
    assert.match(page.url(), /sign_in/, 'the phone that was lost is signed out');
    await Promise.all([phone.context.close(), desk.context.close()]);
  });

  it('beside a password, on the page of one\'s own account', async () => {
    const { context, page } = await device(at.browser);
    await page.goto(at.at('tv') + '/.pomerium/account');
    await page.fill('#email', people.ana.email);
    await page.fill('#password', people.ana.password);
    await page.click('main button[type=submit]');
    await page.waitForURL('**/.pomerium/account');
    await shot(page, 'account-empty');
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('not used yet').waitFor();
    await shot(page, 'account');
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('on this device already').waitFor();
    for (const [scheme, width] of [['light', 1280], ['dark', 390], ['light', 390]]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 844 });
      await shot(page, `account-${scheme}-${width}`);
      assert.ok(await wide(page), `nothing sticks out at ${width}`);
    }
    await context.close();
  });

  it('a fresh one, for a route that wants it of whoever is signed in', async () => {
    const { context, page } = await device(at.browser, { phone: true });
    await page.goto(at.at('tv') + '/');
    await page.fill('#email', people.ana.email);
    await page.fill('#password', people.ana.password);
    await page.click('main button[type=submit]');
    await page.waitForURL(at.at('tv') + '/');

    await page.goto(at.at('vault') + '/safe?box=7');
    await page.getByText('A passkey is needed to go on').waitFor();
    assert.equal(await page.locator('#password').count(), 0, 'nothing else is taken');
    assert.ok(await wide(page), 'nothing sticks out');
    await shot(page, 'fresh-passkey-phone');
    await page.getByRole('link', { name: 'Add a passkey' }).click();
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('not used yet').nth(1).waitFor(); // the one of before is on a device that is not at hand

    await page.goto(at.at('vault') + '/safe?box=7');
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click({ timeout: 5000 }).catch(() => {}); // or by itself
    await page.waitForURL(at.at('vault') + '/safe?box=7');
    assert.match(await page.textContent('p'), /box=7/, 'the app got what was asked for');
    const other = await context.newPage();
    await other.goto(at.at('vault') + '/again');
    assert.equal(other.url(), at.at('vault') + '/again', 'it counts for its time');
    assert.equal(await other.evaluate(() => fetch('/more').then((answer) => answer.status)), 200);
    await context.close();
  });

  it('a device is enrolled on a phone, and shown to another session of its owner', async () => {
    const phone = await device(at.browser, { phone: true });
    const { page } = phone;
    await page.goto(at.at('tv') + '/.pomerium/webauthn');
    await page.fill('#email', people.ana.email);
    await page.fill('#password', people.ana.password);
    await page.click('main button[type=submit]');
    await page.waitForURL('**/.pomerium/webauthn');
    assert.equal(await page.getByRole('button', { name: 'Show this device' }).count(), 0);
    await shot(page, 'devices-empty');
    await page.getByRole('button', { name: 'Enrol this device' }).click();
    await page.getByText('waits for approval').waitFor();
    assert.ok(await wide(page), 'nothing sticks out');
    await page.getByRole('button', { name: 'Enrol this device' }).click();
    await page.getByText('It may be already').waitFor();

    await page.getByRole('button', { name: 'Show this device' }).click();
    await page.getByText('last used').waitFor();
    for (const [scheme, width] of [['light', 1280], ['dark', 390], ['light', 390]]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 844 });
      await shot(page, `devices-${scheme}-${width}`);
      assert.ok(await wide(page), `nothing sticks out at ${width}`);
    }
    await page.getByRole('button', { name: /^Remove / }).click();
    await page.getByText('waits for approval').waitFor({ state: 'detached' });
    await phone.context.close();
  });

  it('are not offered where no script runs, and a password does', async () => {
    const context = await at.browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(at.at('tv') + '/');
    assert.equal(await page.getByRole('button', { name: 'Sign in with a passkey' }).isVisible(), false);
    await page.fill('#email', people.ana.email);
    await page.fill('#password', people.ana.password);
    await page.click('main button[type=submit]');
    await page.waitForURL(at.at('tv') + '/');
    await context.close();
  });
});
