// The README's first command on a fresh machine: nothing written beforehand, one line when it is
// ready, and a browser that finds what the line says.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chromium } from '../parts/chromium.mjs';
import { freePort, said, start, until } from '../parts/process.mjs';
import { play } from './cinema-page.mjs';

describe('usher demo', { concurrency: false }, () => {
  let folder, program, ready, one;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'usher-demo-'));
    program = start('usher demo', process.env.USHER_BIN,
      ['demo', '--json', '--port', String(await freePort()), '--data-dir', join(folder, 'data')],
      { env: { ...process.env, HOME: folder } });
    const [line] = await said(program, /^\{"routes".*\}$/m, 60);
    ready = JSON.parse(line);
    one = await chromium({ authority: ready.ca_file });
  });
  after(async () => {
    await one?.stop();
    await program?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('says in one line where it is, who may come in, and whom to trust', () => {
    assert.deepEqual(ready.people.map((person) => person.allowed).sort(), [false, true]);
    assert.equal(ready.pid, program.child.pid);
    assert.equal(ready.data_dir, join(folder, 'data'));
    for (const route of ready.routes) assert.match(route.url, /^https:\/\//);
  });

  it('shows the film to the person who may come in', async () => {
    const page = await visit();
    await signIn(page, ready.people.find((person) => person.allowed));
    await page.waitForURL((url) => url.href.startsWith(ready.routes[0].url));
    await page.goto(`${ready.routes[0].url}/web/`);
    await play(page);
    await page.context().close();
  });

  it('refuses the person who may not', async () => {
    const page = await visit();
    const { email, password } = ready.people.find((person) => !person.allowed);
    await signIn(page, { email, password });
    await page.getByText(email).waitFor();
    assert.equal((await page.goto(ready.routes[0].url)).status(), 403);
    await page.context().close();
  });

  it('stops in order when it is told to', async () => {
    program.child.kill('SIGTERM');
    await until('it has ended', () => program.exited, 15);
    assert.equal(program.child.exitCode, 0, program.output.slice(-1000));
  });

  async function visit() {
    const context = await one.browser.newContext();
    context.setDefaultTimeout(15_000);
    return context.newPage();
  }

  async function signIn(page, { email, password }) {
    await page.goto(ready.routes[0].url);
    await page.fill('#email', email);
    await page.fill('#password', password);
    await page.click('main button[type=submit]');
  }
});
