// A whole house to visit: the stand-in with a long film, usher in front of it with the guide's
// route, one provider, and Chromium that trusts usher's own authority.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from './chromium.mjs';
import { film } from './film.mjs';
import { GROUP, people } from './people.mjs';
import { freePort, run, said, start, until } from './process.mjs';
import { tap } from './tap.mjs';

const ROUTE = (from, to) => `  - from: ${from}
    to: ${to}
    allow_websockets: true
    preserve_host_header: true
    timeout: 0s
    idle_timeout: 600s
`;

/** Starts everything. `provider` is null for the built-in one, else a function of this folder; `keys` are more of the config, `route` more of Jellyfin's route, `guests` whom it lets in beside Ana, `cinema` more of the stand-in's arguments. */
export async function house({ provider: startProvider = null, keys = '', route = '', guests = [], cinema: more = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'usher-e2e-'));
  const undo = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => { for (const step of undo.splice(0).reverse()) await step(); };
  try {
    const port = await freePort();
    const at = (name) => `https://${name}.example.test:${port}`;
    const authenticate = at('authenticate');
    const [cinema, provider] = await Promise.all([
      startCinema(more),
      startProvider ? startProvider({ callback: `${authenticate}/oauth2/callback` }) : builtin(),
    ]);
    undo.push(() => cinema.program.stop(), () => provider.stop());
    const wire = await tap(Number(new URL(cinema.url).port));
    undo.push(() => wire.stop());

    const routes = { jellyfin: at('jellyfin'), groups: at('groups'), public: at('public') };
    const to = `http://127.0.0.1:${wire.port}`;
    const config = join(folder, 'config.yaml'), data = join(folder, 'data');
    await writeFile(config, `address: 127.0.0.1:${port}
${startProvider ? `authenticate_service_url: ${authenticate}\n` : ''}${provider.config}${keys}routes:
${ROUTE(routes.jellyfin, to)}${route}    policy:
      - allow:
          or:
            - email:
                is: ${people.ana.email}
${guests.map((guest) => `            - email:\n                is: ${guest.email}\n`).join('')}${ROUTE(routes.groups, to)}    pass_identity_headers: true
    policy:
      - allow:
          or:
            - claim/groups: ${GROUP}
${ROUTE(routes.public, to)}    allow_public_unauthenticated_access: true
`);
    const env = { ...process.env, USHER_DATA_DIR: data };
    if (!startProvider) await addPeople(env);
    const authority = join(data, 'authority', 'ca.pem');
    const listens = async (usher) => {
      await until('usher listens', async () => {
        if (usher.exited) throw new Error(usher.output);
        return existsSync(authority) && (await statusOf(port, '/ping')) === 200;
      }, 20).catch((error) => { throw new Error(`${error.message}\n${usher.output}`); });
    };
    const begin = () => start('usher', process.env.USHER_BIN, ['run', '--config', config], { env });
    let usher = begin();
    undo.push(() => usher.stop());
    await listens(usher);

    return {
      port, routes, authenticate, provider, cinema, wire, authority, stop,
      get usher() { return usher; },
      /** One of usher's commands, beside the one that runs. */
      command: (...args) => run(process.env.USHER_BIN, args, { env }),
      async restartUsher() {
        await usher.stop();
        usher = begin();
        await listens(usher);
      },
      /** The stand-in comes back where it was, as new: it kept nobody's token. */
      async cinemaComesBack() {
        await cinema.program.stop();
        Object.assign(cinema, await startCinema([...more, '--port', new URL(cinema.url).port]));
      },
      status: (path, headers) => statusOf(port, path, headers),
      async browser(options = {}) {
        const one = await chromium({ authority, ...options });
        undo.push(() => one.stop());
        return one.browser;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** usher's own provider: people live in its store, and the page to sign in is its own. */
function builtin() {
  return {
    name: 'the built-in provider',
    config: '',
    wire: null,
    origin: null,
    async signIn(page, person) {
      await page.fill('#email', person.email);
      await page.fill('#password', person.password);
      await page.click('main button[type=submit]');
    },
    stop() {},
  };
}

/** People come in as an operator would add them; the password never is an argument. */
async function addPeople(env) {
  for (const person of Object.values(people)) {
    const groups = person.groups.flatMap((group) => ['--group', group]);
    await run(process.env.USHER_BIN, ['people', 'add', person.email, '--name', person.name, ...groups, '--password-stdin'],
      { env, input: `${person.password}\n` });
  }
}

export async function startCinema(more = []) {
  const program = start('cinema', process.env.CINEMA_BIN, ['--port', '0', '--film', await film(), ...more]);
  const [line] = await said(program, /^\{.*\}$/m);
  return { program, ...JSON.parse(line) };
}

/** The status of a path on Jellyfin's route, for a program that does not check certificates. */
async function statusOf(port, path, headers = {}) {
  const { request } = await import('node:https');
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { ...headers, host: `jellyfin.example.test:${port}` },
      servername: 'jellyfin.example.test', rejectUnauthorized: false }, (answer) => { answer.resume(); resolve(answer.statusCode); })
      .on('error', reject).end();
  });
}
