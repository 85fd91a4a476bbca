// Mail to people, taken by a real mail server: somebody forgot their password and reads the link
// there; an admin has an invitation sent. Over STARTTLS, and with TLS from the beginning.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, run, said, start, until } from '../parts/process.mjs';
import { street } from '../parts/street.mjs';

const HERE = fileURLToPath(new URL('..', import.meta.url));
/** What each page looked like, to look at. */
const SHOTS = process.env.USHER_SHOTS ?? join(HERE, 'out/screenshots/mail');
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const ANA = 'ana@example.test', PASSWORD = 'canary-mail-pass-6Rt8', NEW = 'three words of ana';

for (const tls of ['starttls', 'implicit']) describe(`mail by ${tls}`, { concurrency: false }, () => {
  let at, folder, mailbox, secret, heard = 0;
  before(async () => {
    await mkdir(SHOTS, { recursive: true });
    folder = await mkdtemp(join(tmpdir(), 'usher-mail-'));
    const [key, cert, password] = ['mail.key', 'mail.pem', 'password'].map((name) => join(folder, name));
    secret = password;
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '30',
      '-subj', '/CN=mail.test', '-addext', 'subjectAltName=IP:127.0.0.1']);
    await writeFile(secret, `${PASSWORD}\n`);
    const port = await freePort();
    mailbox = start('mailbox', join(HERE, '.venv/bin/python'), [join(HERE, 'clients/mailbox.py'), String(port), tls, cert, key, 'tv', PASSWORD]);
    await said(mailbox, /^ready$/m);
    at = await street({
      config: (at) => `authenticate_service_url: ${at('auth')}\nadmin_groups: [admins]\ncertificate_authority_file: ${cert}\ncontact: Ana, 0123\n`
        + `smtp:\n  address: 127.0.0.1:${port}\n  tls: ${tls}\n  username: tv\n  password_file: ${secret}\n  from: Our TV <tv@example.test>\n`,
      residents: [],
    });
    await at.operator('add', ANA, '--name', 'Ana', '--group', 'admins');
  });
  after(async () => {
    await at?.stop();
    await mailbox?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const visit = async (options = {}) => {
    const context = await at.browser.newContext(options);
    context.setDefaultTimeout(30_000);
    return [context, await context.newPage()];
  };
  const shot = async (on, name) => {
    const fits = await on.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    await on.screenshot({ path: `${SHOTS}/${name}-${tls}.png`, fullPage: true });
    assert.ok(fits, `nothing sticks out of ${name}`);
  };
  /** The next mail that the server took. */
  const nextMail = async () => {
    const mails = await until('a mail has come', () => {
      const lines = mailbox.output.split('\n').filter((line) => line.startsWith('{'));
      return lines.length > heard && lines;
    }, 30).catch((error) => { throw new Error(`${error.message}\n${at.usher.output.slice(-3000)}\n${mailbox.output.slice(-2000)}`); });
    const mail = JSON.parse(mails[heard++]);
    assert.deepEqual([mail.as, mail.from, mail.defects], ['tv', 'tv@example.test', []]);
    assert.equal(mail.head['Auto-Submitted'], 'auto-generated');
    return mail;
  };
  const link = (mail) => mail.text.match(/^https:\S+$/m)[0];

  it('brings a link to who forgot their password, on a phone in the dark and in German, without a script', async () => {
    const [context, page] = await visit({ ...PHONE, colorScheme: 'dark', locale: 'de-DE', javaScriptEnabled: false });
    await page.goto(at.at('tv'));
    await page.screenshot({ path: `${SHOTS}/sign-in-on-a-phone-in-the-dark-${tls}.png`, fullPage: true });
    await page.getByRole('link', { name: 'Passwort vergessen?' }).click();
    await page.getByRole('heading', { name: 'Wieder hineinkommen' }).waitFor();
    await page.screenshot({ path: `${SHOTS}/asks-on-a-phone-in-the-dark-${tls}.png`, fullPage: true });
    await page.keyboard.type(ANA); // the field has the focus
    await page.keyboard.press('Enter');
    await page.getByText('ist eine E-Mail mit einem Link unterwegs').waitFor();
    await page.screenshot({ path: `${SHOTS}/sent-on-a-phone-in-the-dark-${tls}.png`, fullPage: true });
    await page.getByRole('link', { name: 'Zurück zur Anmeldeseite' }).click();
    await page.locator('#password').waitFor();
    await context.close();

    const mail = await nextMail();
    assert.deepEqual(mail.to, [ANA]);
    assert.equal(mail.subject, 'Wieder hineinkommen bei auth.example.test');
    assert.match(mail.text, /Jemand möchte bei auth\.example\.test als ana@example\.test wieder hineinkommen\./);
    const [own, welcome] = await visit({ ...PHONE, colorScheme: 'dark', locale: 'de-DE' });
    await welcome.goto(link(mail));
    await welcome.getByRole('heading', { name: 'Wieder hineinkommen' }).waitFor();
    await shot(welcome, 'welcome-on-a-phone-in-the-dark');
    await welcome.fill('#password', NEW);
    await welcome.getByRole('button', { name: 'Weiter mit einem Passwort' }).click();
    await welcome.waitForURL(/\/\.pomerium\/$/);
    await welcome.goto(at.at('tv'));
    await welcome.getByRole('heading', { name: 'app' }).waitFor();
    await own.close();
    const notice = await nextMail();
    assert.equal(notice.subject, 'Womit du dich bei auth.example.test anmeldest, wurde ersetzt');
    assert.ok(!notice.text.includes('invitation='));
  });

  it('says the same to everybody, by keyboard, and sends nothing to who is not here', async () => {
    const [context, page] = await visit({ locale: 'en-GB' });
    await page.goto(at.at('tv'));
    const way = page.getByRole('link', { name: 'Forgot your password?' });
    for (let step = 0; step < 12 && !(await way.evaluate((one) => one === document.activeElement)); step += 1) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Get in again' }).waitFor();
    await page.keyboard.type('nobody@example.test');
    await page.keyboard.press('Enter');
    await page.getByText('an e-mail with a link is on its way').waitFor();
    await shot(page, 'sent');
    await until('it was looked up', () => at.usher.output.includes('nobody here has the address'), 20);
    assert.ok(!at.usher.output.includes('nobody@example.test'));
    await context.close();
  });

  it('brings an invitation that an admin made', async () => {
    const [context, page] = await visit({ locale: 'en-GB' });
    await page.goto(`${at.at('auth')}/.pomerium/`);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.fill('#email', ANA);
    await page.fill('#password', NEW);
    await page.click('main button[type=submit]');
    await page.getByRole('link', { name: 'People' }).click();
    await page.getByLabel('Their e-mail address').fill('ben@example.test');
    await page.getByLabel('Send it by e-mail, too').check();
    await page.getByRole('button', { name: 'Make an invitation' }).click();
    await page.getByText('An e-mail with it is on its way to').waitFor();
    await shot(page, 'invited');
    const mail = await nextMail();
    assert.deepEqual([mail.to, mail.subject], [['ben@example.test'], 'You are invited to auth.example.test']);
    const shown = await page.locator('code').first().innerText();
    assert.equal(link(mail), shown.trim());
    await context.close();
    assert.ok(!at.usher.output.includes(PASSWORD) && !at.usher.output.includes('invitation='), 'no secret in a line');
  });

  it('brings an invitation that an operator made by a command, with which somebody joins', async () => {
    const printed = await at.operator('invite', 'cleo@example.test', '--name', 'Cleo', '--mail');
    const mail = await nextMail();
    assert.deepEqual([mail.to, mail.subject], [['cleo@example.test'], 'You are invited to auth.example.test']);
    assert.ok(printed.includes(link(mail)), 'the link that was mailed is the one that is printed');
    const [context, page] = await visit({ ...PHONE, locale: 'en-GB' });
    await page.goto(link(mail));
    await page.fill('#password', 'three words of cleo');
    await page.getByRole('button', { name: 'Go on with a password' }).click();
    await page.waitForURL(/\/\.pomerium\/$/);
    await page.goto(at.at('notes'));
    await page.getByRole('heading', { name: 'app' }).waitFor();
    await context.close();
  });

  it('says at the command what the server did not take, and that the link is good all the same', async () => {
    await writeFile(secret, 'not the password\n');
    const refused = await at.operator('invite', 'dora@example.test', '--mail').then(() => '', (error) => error.message);
    await writeFile(secret, `${PASSWORD}\n`);
    assert.match(refused, /was not sent by e-mail: /);
    assert.match(refused, /https:\/\/auth\.example\.test\S*invitation=/);
    assert.ok(!refused.includes('not the password'), refused);
    assert.equal(mailbox.output.split('\n').filter((line) => line.startsWith('{')).length, heard, 'no mail came');
  });
});
