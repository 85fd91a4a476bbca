// Chromium as people have it: it trusts usher's authority because the authority is in its NSS
// store, and resolves names as if DNS pointed at this machine.
import { execFileSync } from 'node:child_process';
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium as playwright } from 'playwright-core';
import { run } from './process.mjs';

/** Starts Chromium with a home of its own. `http1` keeps it from HTTP/2. */
export async function chromium({ authority, http1 = false }) {
  const home = await mkdtemp(join(tmpdir(), 'usher-browser-'));
  const store = join(home, '.pki', 'nssdb');
  await mkdir(store, { recursive: true });
  await run('certutil', ['-d', `sql:${store}`, '-N', '--empty-password']);
  await run('certutil', ['-d', `sql:${store}`, '-A', '-t', 'C,,', '-n', 'usher', '-i', authority]);
  const browser = await playwright.launch({
    executablePath: findChromium(),
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config'), XDG_CACHE_HOME: join(home, '.cache') },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
      '--host-resolver-rules=MAP *.example.test 127.0.0.1', ...(http1 ? ['--disable-http2'] : [])],
  });
  return {
    browser,
    async stop() { await browser.close(); await rm(home, { recursive: true, force: true, maxRetries: 5 }); },
  };
}

function findChromium() {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try { return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(); } catch { /* the next name */ }
  }
  throw new Error('no Chromium on the PATH');
}
