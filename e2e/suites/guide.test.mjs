// The guide's config.yaml, word for word but for its two example values, on a machine where the
// public name leads to loopback: the certificate from an ACME authority, the sign-in at
// authenticate.pomerium.app, which is a second usher here.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isApart, runApart, settle } from '../parts/apart.mjs';
import { chromium } from '../parts/chromium.mjs';
import { film } from '../parts/film.mjs';
import { pebble } from '../parts/pebble.mjs';
import { people } from '../parts/people.mjs';
import { run, said, start, until } from '../parts/process.mjs';
import { screenshots } from '../parts/screenshots.mjs';
import { events, isLive, play, seek } from './cinema-page.mjs';

const HOST = 'jellyfin.anas-films.com';
const SERVICE = 'authenticate.pomerium.app';
const PAGE = `https://${HOST}`;
/** Whom the recorded service signs in. */
const ALICE = 'alice@example.com';
/** The guide's file, as it is recorded for the config's own tests. */
const GUIDE = new URL('../../crates/rules/tests/compile/guide.case', import.meta.url);

if (isApart) {
  describe('the guide', { concurrency: false }, scenario);
} else {
  const { tests, status, output } = runApart(fileURLToPath(import.meta.url));
  describe('the guide, on a machine of its own', () => {
    for (const { name, failed } of tests) it(name, () => assert.ok(!failed, output.slice(-6000)));
    it('ran to its end', () => {
      assert.ok(tests.length >= 10, `${tests.length} tests\n${output.slice(-6000)}`);
      assert.equal(status, 0, output.slice(-6000));
    });
  });
}

function scenario() {
  const undo = [];
  let folder, authority, service, proxy, one, page, context;

  before(async () => {
    undo.push(settle({ [HOST]: '127.0.0.1', jellyfin: '127.0.0.1', [SERVICE]: '127.0.0.2' }));
    folder = await mkdtemp(join(tmpdir(), 'usher-guide-'));
    undo.push(() => rm(folder, { recursive: true, force: true }));
    authority = await pebble(folder);
    undo.push(() => authority.stop());
    const cinema = start('cinema', process.env.CINEMA_BIN, ['--port', '8096', '--film', await film()]);
    undo.push(() => cinema.stop());
    await said(cinema, /^\{.*\}$/m);
    service = await startService();
    const recorded = await readFile(GUIDE, 'utf8');
    const text = recorded.split('----\n')[0]
      .replaceAll('jellyfin.yourdomain.com', HOST).replaceAll('you@example.com', people.ana.email);
    await writeFile(join(folder, 'config.yaml'), text);
    // What makes this machine a test one stands in the environment; the file is the guide's.
    proxy = usher('usher', 'proxy', join(folder, 'config.yaml'), { ADDRESS: '127.0.0.1:443' });
  });
  after(async () => { for (const step of undo.reverse()) await step(); });

  it('starts at once, and is served by its own authority until its certificate is there', async () => {
    await said(proxy, /"message":"serving"/);
    await said(proxy, new RegExp(`"host":"${HOST.replaceAll('.', '\\.')}","effect":"a new certificate is served","issuer":"Pebble`));
    const { issuer } = await until('the new certificate is served', async () => {
      const seen = await certificate(HOST);
      return seen.issuer.startsWith('Pebble') && seen;
    });
    assert.match(issuer, /^Pebble/);
  });

  it('sends a fresh browser to the hosted service, not to Jellyfin', async () => {
    one = await chromium({ authority: authority.root });
    undo.push(() => one.stop());
    context = await one.browser.newContext();
    context.setDefaultTimeout(15_000);
    page = await context.newPage();
    await page.goto(`${PAGE}/web/?asked=for#/home`);
    await page.locator('input[type=password]').waitFor({ state: 'visible' });
    const at = new URL(page.url());
    assert.equal(at.origin, `https://${SERVICE}`);
    assert.deepEqual([...at.searchParams.keys()], ['k', 'q'], 'everything is sealed');
    assert.ok((await page.locator('main').innerText()).includes(HOST), 'the page says for which site');
    await screenshots('the guide', page, 'hosted-sign-in');
  });

  it('brings an allowed person back to the page that was asked for', async () => {
    await signIn(page, people.ana);
    await page.waitForURL(`${PAGE}/web/?asked=for#/home`);
    await isLive(page);
  });

  it('reaches the upstream: /System/Info/Public has a Version', async () => {
    const answer = await page.goto(`${PAGE}/System/Info/Public`);
    assert.equal(answer.status(), 200);
    assert.match((await answer.json()).Version, /^\d+\.\d+\.\d+$/);
  });

  it('plays the film and seeks in it', async () => {
    await page.goto(`${PAGE}/web/`);
    await isLive(page);
    await play(page);
    await screenshots('the guide', page, 'playing');
    const { status } = await seek(page, 50);
    assert.equal(status, 206);
  });

  it('carries WebSocket events both ways', async () => {
    await events(await context.newPage(), `${PAGE}/web/`);
  });

  it('shows the identity at /.pomerium', async () => {
    await page.goto(`${PAGE}/.pomerium`);
    const shown = await page.locator('main').innerText();
    for (const words of [people.ana.email, people.ana.name]) assert.ok(shown.includes(words), words);
    await screenshots('the guide', page, 'identity');
  });

  it('refuses the person who is not on the list', async () => {
    const other = await one.browser.newContext();
    other.setDefaultTimeout(15_000);
    const on = await other.newPage();
    await on.goto(`${PAGE}/web/`);
    const refused = on.waitForResponse((answer) => answer.url() === `${PAGE}/web/` && answer.status() === 403);
    await signIn(on, people.eve);
    await refused;
    assert.ok((await on.locator('main').innerText()).includes(people.eve.email), 'who they are');
    await screenshots('the guide', on, 'refused');
    await other.close();
  });

  it('has both decisions on record', () => {
    const decisions = proxy.output.split('\n').filter((line) => line.includes('"message":"authorize check"')).map((line) => JSON.parse(line));
    const of = (person, allow) => decisions.some((one) => one.email === person.email && one.allow === allow);
    assert.ok(of(people.ana, true), 'the person who may');
    assert.ok(of(people.eve, false), 'and the one who may not');
    for (const person of [people.ana, people.eve]) assert.ok(!proxy.output.includes(person.password));
    assert.ok(!/[?&]q=/.test(proxy.output), 'no sealed query is in the log');
  });

  it('signs out here and at the service', async () => {
    const copied = (await context.cookies(PAGE)).find((cookie) => cookie.name === '__Host-_pomerium');
    await page.goto(`${PAGE}/.pomerium/sign_out`);
    await page.click('main button[type=submit]');
    await page.waitForURL(`https://${SERVICE}/.pomerium/sign_out**`);
    await page.click('main button[type=submit]');
    await page.waitForURL(`${PAGE}/.pomerium/signed_out`);
    const status = await statusOf(HOST, '/System/Info/Public', { accept: 'application/json', cookie: `__Host-_pomerium=${copied.value}` });
    assert.equal(status, 401, 'the copied cookie is worth nothing');
    await page.goto(`${PAGE}/web/`);
    await page.locator('input[type=password]').waitFor({ state: 'visible' });
  });

  it('takes no session away when the service is gone', async () => {
    await signIn(page, people.ana);
    await page.waitForURL(`${PAGE}/web/`);
    await service.stop();
    const answer = await page.goto(`${PAGE}/System/Info/Public`);
    assert.equal(answer.status(), 200);
  });

  it('starts again with the certificate that it has', async () => {
    const { serial } = await certificate(HOST);
    await proxy.stop();
    await authority.stop();
    proxy = usher('usher', 'proxy', join(folder, 'config.yaml'), { ADDRESS: '127.0.0.1:443' });
    await said(proxy, /"message":"serving"/);
    assert.equal((await certificate(HOST)).serial, serial);
  });

  it('signs in by the recorded answers of the real service, which has another key', async () => {
    await proxy.stop();
    const pem = join(folder, 'service', 'acme', 'names', `${SERVICE}.pem`);
    const recorded = start('the recorded service', process.env.RECORDED_BIN, ['127.0.0.2:443', pem]);
    undo.push(() => recorded.stop());
    const guide = await readFile(join(folder, 'config.yaml'), 'utf8');
    await writeFile(join(folder, 'config.yaml'), guide.replaceAll(people.ana.email, ALICE));
    proxy = usher('usher', 'proxy', join(folder, 'config.yaml'), { ADDRESS: '127.0.0.1:443' });
    await said(proxy, /"message":"serving"/);
    const other = await one.browser.newContext();
    other.setDefaultTimeout(15_000);
    const on = await other.newPage();
    await on.goto(`${PAGE}/web/?asked=for#/home`);
    assert.equal(on.url(), `${PAGE}/web/?asked=for#/home`, 'there and back without a question');
    await isLive(on);
    await play(on);
    await on.goto(`${PAGE}/.pomerium`);
    const shown = await on.locator('main').innerText();
    for (const words of [ALICE, 'Alice Example', 'media']) assert.ok(shown.includes(words), `${words}: ${shown}`);
    await screenshots('the guide', on, 'recorded-identity');
    await other.close();
  });

  function usher(name, data, config, env = {}) {
    const program = start(name, process.env.USHER_BIN, ['run', '--config', config], { env: { ...process.env, ...environment(data), ...env } });
    undo.push(() => program.stop());
    return program;
  }

  function environment(data) {
    return {
      USHER_DATA_DIR: join(folder, data), SSL_CERT_FILE: authority.root,
      AUTOCERT_CA: authority.directory, AUTOCERT_TRUSTED_CA_FILE: authority.ca,
    };
  }

  async function startService() {
    const config = join(folder, 'service.yaml');
    await writeFile(config, `services: authenticate
address: 127.0.0.2:443
authenticate_service_url: https://${SERVICE}
authenticate_allowed_hosts:
- ${HOST}
autocert: true
`);
    const env = { ...process.env, ...environment('service') };
    for (const person of Object.values(people)) {
      await run(process.env.USHER_BIN, ['people', 'add', person.email, '--name', person.name, '--password-stdin'], { env, input: `${person.password}\n` });
    }
    const program = usher('the service', 'service', config);
    await said(program, /"effect":"a new certificate is served"/);
    return program;
  }

  async function signIn(on, person) {
    await on.fill('#email', person.email);
    await on.fill('#password', person.password);
    await on.click('main button[type=submit]');
  }

  function certificate(host) {
    return asked(host, '/ping', {}).then(({ socket }) => {
      const seen = socket.getPeerCertificate();
      return { issuer: seen.issuer.CN, serial: seen.serialNumber };
    });
  }

  function statusOf(host, path, headers) {
    return asked(host, path, headers).then(({ status }) => status);
  }

  function asked(host, path, headers) {
    return new Promise((resolve, reject) => {
      request({ host, path, headers, rejectUnauthorized: false, agent: false }, (answer) => {
        const { socket } = answer;
        const found = { status: answer.statusCode, socket };
        answer.resume();
        resolve(found);
      }).on('error', reject).end();
    });
  }
}
