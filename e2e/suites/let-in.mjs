// The client libraries as apps of somebody's, with no cookie and no password: each shows a code, which
// Ana types at /link; browses, plays, reports and listens as hers; and is nobody's once she ends it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chromium } from '../parts/chromium.mjs';
import { film } from '../parts/film.mjs';
import { people } from '../parts/people.mjs';
import { freePort, run, said, start, until } from '../parts/process.mjs';

const KEY = '0123456789abcdef0123456789abcdef';

/** Declares the tests. `clients`: the name of each, its command and script, and what it says of itself. */
export function letIn(clients, folder) {
  describe("Jellyfin's client libraries as somebody's apps", { concurrency: false }, () => {
    let at, page;
    before(async () => {
      at = await library();
      const context = await at.browser.newContext();
      context.setDefaultTimeout(20_000);
      page = await context.newPage();
      await page.goto(`${at.tv}/link`);
      await page.fill('#email', people.ana.email);
      await page.fill('#password', people.ana.password);
      await page.click('main button[type=submit]');
      await page.waitForURL(`${at.tv}/link`);
    });
    after(() => at?.stop());

    for (const [name, command, script, app, device, id] of clients) {
      let program, works;
      const line = async (key) => JSON.parse((await said(program, new RegExp(`^\\{.*"${key}":.*\\}$`, 'm'), 60))[0]);
      after(() => program?.stop());

      it(`${name} is let in by the code that it shows`, async () => {
        const env = { ...process.env, BASE: at.tv, NODE_EXTRA_CA_CERTS: at.authority, REQUESTS_CA_BUNDLE: at.authority };
        program = start(name, command, [script], { cwd: folder, env });
        const { stranger, code } = await line('code');
        assert.equal(stranger, 401, 'as nobody it gets nothing');
        await page.goto(`${at.tv}/link`);
        await page.fill('#code', `${code.slice(0, 3)} ${code.slice(3)}`);
        await page.getByRole('button', { name: 'Go on' }).click();
        const asked = page.locator('ul.sessions > li');
        assert.equal(await asked.count(), 1, 'the app in front of her alone');
        const shown = await asked.innerText();
        for (const part of [code, app, device, '127.0.0.1']) assert.ok(shown.includes(part), `${part}: ${shown}`);
        await asked.getByRole('button', { name: 'Let it in' }).click();
        await page.getByRole('alert').getByText('is in.').waitFor();
      });

      it(`${name} browses, plays, reports and listens as its owner's`, async () => {
        works = await line('token');
        assert.equal(works.name, people.ana.email);
        assert.ok(works.views > 0 && works.film, 'there is something to see');
        assert.match(works.poster, /^image\//);
        assert.deepEqual(works.parts, [[206, 1000], [206, 500]]);
        const session = (await at.sessions()).find((one) => one.DeviceId === id);
        assert.equal(session.UserName, people.ana.email);
        assert.deepEqual([session.NowPlayingItem.Name, session.PlayState.PositionTicks], [works.film, 50_000_000], 'what it reported is there');
      });

      it(`${name} is nobody's once its owner ends it`, async () => {
        await page.goto(`${at.tv}/link`);
        const own = page.locator('li', { hasText: `${device} (${app})` });
        await own.getByRole('button', { name: 'End it' }).click();
        await own.waitFor({ state: 'detached' });
        const ended = await line('refused');
        assert.equal(ended.refused, 401, 'its socket is closed, and gets no other');
        assert.match(String(ended.me), /^(401|Unauthorized)$/);
        assert.equal(ended.part, 401);
        await until('it has ended', () => program.exited);
        await until('the library takes its token no more', async () => (await at.asked('/Users/Me', works.token)).status === 401);
        assert.ok(!at.usher.output.includes(works.token), 'its token is in no log');
      });
    }
  });
}

/** A stand-in that usher has a key of, and usher in front of it. */
async function library() {
  const folder = await mkdtemp(join(tmpdir(), 'usher-let-in-'));
  const undo = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => { for (const step of undo.splice(0).reverse()) await step(); };
  try {
    const cinema = start('cinema', process.env.CINEMA_BIN, ['--port', '0', '--film', await film(), '--admin-key', KEY]);
    undo.push(() => cinema.stop());
    const { url } = JSON.parse((await said(cinema, /^\{.*\}$/m))[0]);
    const port = await freePort();
    const tv = `https://tv.example.test:${port}`;
    const config = join(folder, 'config.yaml'), data = join(folder, 'data');
    await writeFile(config, `address: 127.0.0.1:${port}
routes:
  - from: ${tv}
    to: ${url}
    policy: [{allow: {or: [{email: {is: ${people.ana.email}}}]}}]
    jellyfin: {api_key: ${KEY}}
`);
    const env = { ...process.env, USHER_DATA_DIR: data };
    const { email, name, password } = people.ana;
    await run(process.env.USHER_BIN, ['people', 'add', email, '--name', name, '--password-stdin'], { env, input: `${password}\n` });
    const usher = start('usher', process.env.USHER_BIN, ['run', '--config', config], { env });
    undo.push(() => usher.stop());
    const authority = join(data, 'authority', 'ca.pem');
    await until('usher knows the library', () => {
      if (usher.exited) throw new Error('ended early');
      return existsSync(authority) && usher.output.includes('the Jellyfin is ready');
    }, 20).catch((error) => { throw new Error(`${error.message}\n${usher.output}`); });
    const { browser, stop: close } = await chromium({ authority });
    undo.push(close);
    /** The library itself, around usher. */
    const asked = (path, token) => fetch(`${url}${path}`, { headers: { authorization: `MediaBrowser Token="${token}"` } });
    return { tv, authority, usher, browser, stop, asked, sessions: async () => (await asked('/Sessions', KEY)).json() };
  } catch (error) {
    await stop();
    throw error;
  }
}
