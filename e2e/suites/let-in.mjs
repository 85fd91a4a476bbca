// The client libraries as apps of somebody's, with no cookie: each shows a code, which Ana types at /link,
// or signs in with an app password of hers; browses, plays, reports and listens as hers; and is nobody's
// once she ends it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { house } from '../parts/house.mjs';
import { people } from '../parts/people.mjs';
import { said, start, until } from '../parts/process.mjs';

const KEY = '0123456789abcdef0123456789abcdef';

/** Declares the tests. Of each client: its name, its command and script, and what it says of itself; `passwords` are those that sign in by one. */
export function letIn(clients, passwords, folder) {
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
        await isHers(works, id);
      });

      it(`${name} is nobody's once its owner ends it`, async () => {
        await page.goto(`${at.tv}/link`);
        const own = page.locator('li', { hasText: `${device} (${app})` });
        await own.getByRole('button', { name: 'End it' }).click();
        await own.waitFor({ state: 'detached' });
        await isNobodys(await line('refused'), works, program);
      });
    }

    for (const [name, command, script, app, device] of passwords) {
      const id = 'by-password';
      let program, works, password;
      const line = async (key) => JSON.parse((await said(program, new RegExp(`^\\{.*"${key}":.*\\}$`, 'm'), 60))[0]);
      after(() => program?.stop());

      it(`${name} signs in with an app password`, async () => {
        password = (await at.command('app-password', 'create', people.ana.email, 'jellyfin.example.test', '--until', 'never')).trim();
        const env = { ...process.env, BASE: at.tv, DEVICE: id, NAME: people.ana.email, PASSWORD: password, REQUESTS_CA_BUNDLE: at.authority };
        program = start(name, command, [script], { cwd: folder, env });
        assert.deepEqual(await line('signed'), { stranger: 401, wrong: false, signed: true });
      });

      it(`${name} does as its owner what it does by a code`, async () => {
        works = await line('token');
        await isHers(works, id);
      });

      it(`${name} and its password are nobody's once its owner ends it among her devices`, async () => {
        await page.goto(`${at.tv}/.pomerium/devices`);
        const own = page.locator('ul.sessions > li', { hasText: device });
        const shown = await own.innerText();
        for (const part of [app, 'let in by an app password']) assert.ok(shown.includes(part), `${part}: ${shown}`);
        await own.getByRole('button', { name: 'End it' }).click();
        await own.waitFor({ state: 'detached' });
        const ended = await line('refused');
        assert.equal(ended.again, false, 'its password signs nothing in any more');
        await isNobodys(ended, works, program);
        assert.ok(!at.usher.output.includes(password), 'nor is its password');
      });
    }

    async function isHers(works, id) {
      assert.equal(works.name, people.ana.email);
      assert.ok(works.views > 0 && works.film, 'there is something to see');
      assert.match(works.poster, /^image\//);
      assert.deepEqual(works.parts, [[206, 1000], [206, 500]]);
      const session = (await at.sessions()).find((one) => one.DeviceId === id);
      assert.equal(session.UserName, people.ana.email);
      assert.deepEqual([session.NowPlayingItem.Name, session.PlayState.PositionTicks], [works.film, 50_000_000], 'what it reported is there');
    }

    async function isNobodys(ended, works, program) {
      assert.equal(ended.refused, 401, 'its socket is closed, and gets no other');
      assert.match(String(ended.me), /^(401|Unauthorized)$/);
      assert.equal(ended.part, 401);
      await until('it has ended', () => program.exited);
      await until('the library takes its token no more', async () => (await at.asked('/Users/Me', works.token)).status === 401);
      assert.ok(!at.usher.output.includes(works.token), 'its token is in no log');
    }
  });
}

/** A house whose usher has a key of the stand-in. */
async function library() {
  const at = await house({ route: `    jellyfin: {api_key: ${KEY}}\n`, cinema: ['--admin-key', KEY] });
  try {
    const usher = at.usher;
    await until('usher knows the library', () => usher.output.includes('the Jellyfin is ready'), 20)
      .catch((error) => { throw new Error(`${error.message}\n${usher.output}`); });
    /** The library itself, around usher. */
    const asked = (path, token) => fetch(`${at.cinema.url}${path}`, { headers: { authorization: `MediaBrowser Token="${token}"` } });
    return { tv: at.routes.jellyfin, authority: at.authority, usher, command: at.command, browser: await at.browser(), stop: at.stop, asked, sessions: async () => (await asked('/Sessions', KEY)).json() };
  } catch (error) {
    await at.stop();
    throw error;
  }
}
