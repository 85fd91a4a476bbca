// An app's service worker on the host where people sign in, in real Chromium: it reads no password.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { people } from '../parts/people.mjs';
import { page, street } from '../parts/street.mjs';

/** Passes page loads on, and tells of every form that it saw. */
const WORKER = `self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(clients.claim()));
self.addEventListener('fetch', (event) => {
  if (event.request.mode !== 'navigate') return;
  event.respondWith((async () => {
    if (event.request.method === 'POST') await caches.open('read: ' + await event.request.clone().text());
    return fetch(event.request);
  })());
});`;

describe("an app's service worker where people sign in", { concurrency: false }, () => {
  let at;
  before(async () => {
    at = await street({
      answer(asked, reply) {
        if (!asked.url.endsWith('sw.js')) return page(asked, reply);
        reply.writeHead(200, { 'content-type': 'text/javascript', 'service-worker-allowed': '/' });
        reply.end(WORKER);
      },
    });
  });
  after(() => at?.stop());

  const signIn = async (on) => {
    await on.fill('#email', people.ana.email);
    await on.fill('#password', people.ana.password);
    await on.click('main button[type=submit]');
    await on.waitForURL(at.at('tv') + '/');
  };
  const register = (on, script, options) => on.evaluate(([script, options]) =>
    navigator.serviceWorker.register(script, options).then(() => 'registered', (error) => String(error)), [script, options]);

  it('is not registered for it, in whatever way', async () => {
    const context = await at.browser.newContext();
    const on = await context.newPage();
    await on.goto(at.at('tv') + '/');
    await signIn(on);
    for (const [script, options] of [['/sw.js'], ['/web/sw.js', { scope: '/' }], ['/web/sw.js', { scope: '/.pomerium/' }], ['/sw.js', { scope: '/.pomerium/sign_in' }]]) {
      assert.match(await register(on, script, options), /Error/, `${script} ${JSON.stringify(options)}`);
    }
    assert.equal(await register(on, '/web/sw.js'), 'registered', 'below its own folder it is');
    await context.close();
  });

  it('that was there before gets no form, and leaves', async () => {
    const context = await at.browser.newContext();
    // As if usher had come later: the first script comes from the app, past usher.
    await context.route('**/sw.js', (route) => route.fulfill({ contentType: 'text/javascript', body: WORKER }));
    const on = await context.newPage();
    await on.goto(at.at('tv') + '/');
    await signIn(on);
    assert.equal(await register(on, '/sw.js'), 'registered');
    await on.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    await context.unroute('**/sw.js');
    await context.clearCookies();
    await on.goto(at.at('tv') + '/');
    if (await on.locator('#password').count() === 0) { // it passed the page load on
      await on.getByRole('link', { name: 'Go on' }).click();
    }
    await signIn(on);
    const seen = await on.evaluate(async () => [await caches.keys(), Boolean(navigator.serviceWorker.controller)]);
    assert.deepEqual(seen, [[], false], 'it read nothing, and is gone');
    await context.close();
  });
});
