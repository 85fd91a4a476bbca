// A street: usher before an app that does what a test tells it, and beside it a site of somebody
// else on the same parent domain, which usher knows nothing of.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from './chromium.mjs';
import { people } from './people.mjs';
import { freePort, run, start, until } from './process.mjs';

/**
 * Starts everything. `config`, or what it makes of names' addresses, is put before the routes; `answer` is what the app
 * does. `routes` makes others of names' addresses, and of what writes one; `residents` are who lives here from the beginning.
 */
export async function street({ config = '', answer = page, routes = null, residents = people } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'usher-street-'));
  const undo = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => { for (const step of undo.splice(0).reverse()) await step(); };
  try {
    const port = await freePort();
    const app = await serve(createServer((asked, reply) => answer(asked, reply)), undo);
    const sibling = await neighbour(folder, undo);
    const at = (name) => `https://${name}.example.test:${port}`;
    const file = join(folder, 'config.yaml'), data = join(folder, 'data');
    const route = (name, who) => `  - from: ${at(name)}\n    to: http://127.0.0.1:${app}\n    preserve_host_header: true\n    ${who}\n`;
    const ana = `policy: [{allow: {or: [{email: {is: ${people.ana.email}}}]}}]`;
    const anybody = 'policy: [{allow: {or: [{authenticated_user: true}]}}]';
    await writeFile(file, `address: 127.0.0.1:${port}\n${typeof config === 'function' ? config(at) : config}routes:\n${routes?.(at, route) ?? `${route('tv', ana)}${route('notes', anybody)}${route('open', 'allow_public_unauthenticated_access: true')}`}`);
    const env = { ...process.env, USHER_DATA_DIR: data };
    for (const { email, name, password } of Object.values(residents)) {
      await run(process.env.USHER_BIN, ['people', 'add', email, '--name', name, '--password-stdin'], { env, input: `${password}\n` });
    }
    const usher = start('usher', process.env.USHER_BIN, ['run', '--config', file], { env });
    undo.push(() => usher.stop());
    const authority = join(data, 'authority', 'ca.pem');
    await until('usher listens', async () => {
      if (usher.exited) throw new Error('ended early');
      return existsSync(authority) && (await status(port)) === 200;
    }, 20).catch((error) => { throw new Error(`${error.message}\n${usher.output}`); });
    const { browser, stop: close } = await chromium({ authority });
    undo.push(close);
    /** What an operator does on the machine: `usher people …`; its standard output. */
    const operator = (...args) => run(process.env.USHER_BIN, ['people', ...args, '--config', file], { env });
    return { at, authority, sibling, usher, browser, operator, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What an app shows that does nothing in particular. */
export function page(asked, reply) {
  reply.writeHead(200, { 'content-type': 'text/html' });
  reply.end(`<h1>app</h1><p>${asked.url.replace(/[<&]/g, '')}</p>`);
}

/** `https://evil.example.test`: sets whatever cookies it is told to, as its own server may. */
async function neighbour(folder, undo) {
  const [key, cert] = [join(folder, 'evil.key'), join(folder, 'evil.pem')];
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '30',
    '-subj', '/CN=evil.example.test', '-addext', 'subjectAltName=DNS:evil.example.test']);
  const { readFile } = await import('node:fs/promises');
  let cookies = [];
  const server = createTlsServer({ key: await readFile(key), cert: await readFile(cert) }, (asked, reply) => {
    reply.writeHead(200, { 'content-type': 'text/html', 'set-cookie': cookies.splice(0) });
    reply.end('<h1>a site of somebody else</h1>');
  });
  const port = await serve(server, undo);
  return {
    url: `https://evil.example.test:${port}/`,
    /** A visit in this browser during which the sibling sets `lines`, some at a time. */
    async toss(context, lines) {
      const on = await context.newPage();
      for (let from = 0; from < lines.length; from += 20) {
        cookies = lines.slice(from, from + 20);
        await on.goto(this.url);
      }
      await on.close();
    },
  };
}

async function serve(server, undo) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => { server.closeAllConnections(); server.close(); });
  return server.address().port;
}

function status(port) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/ping', servername: 'tv.example.test', rejectUnauthorized: false, headers: { host: `tv.example.test:${port}` } };
    request(options, (answer) => { answer.resume(); resolve(answer.statusCode); }).on('error', reject).end();
  });
}
