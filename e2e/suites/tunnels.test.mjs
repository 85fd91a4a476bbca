// Tunnels with the programs that people have: the real pomerium-cli, and OpenSSH, scp, rsync, psql and
// mpv through `usher tcp`, on a machine of its own whose names lead to usher's port 443.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createSocket } from 'node:dgram';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isApart, runApart, settle } from '../parts/apart.mjs';
import { chromium } from '../parts/chromium.mjs';
import { startCinema } from '../parts/house.mjs';
import { people } from '../parts/people.mjs';
import { pomeriumCli } from '../parts/pomerium-cli.mjs';
import { freePort, run, said, start, until } from '../parts/process.mjs';

const SSHD = 2222;
/** UDP over IPv4 carries no more (RFC 768: 65,535 with the heads of both). */
const LARGEST = 65_507;
const SHOTS = process.env.USHER_SHOTS ?? fileURLToPath(new URL('../out/screenshots/tunnels/', import.meta.url));
/** A film's worth. */
const BIG = 1 << 30;

if (isApart) {
  describe('tunnels', { concurrency: false }, scenario);
} else {
  const { tests, status, output } = runApart(fileURLToPath(import.meta.url));
  describe('tunnels, on a machine of their own', () => {
    for (const { name, failed } of tests) it(name, () => assert.ok(!failed, output.slice(-8000)));
    it('ran to its end', () => {
      assert.ok(tests.length >= 20, `${tests.length} tests\n${output.slice(-8000)}`);
      assert.equal(status, 0, output.slice(-8000));
    });
  });
}

function scenario() {
  const undo = [];
  let folder, data, config, authority, browser, usher, cinema;
  const startUsher = async () => {
    usher = start('usher', process.env.USHER_BIN, ['run', '--config', config], { env: { ...process.env, USHER_DATA_DIR: data } });
    await said(usher, /"message":"serving"/);
  };
  const operator = (...args) => run(process.env.USHER_BIN, [...args, '--data-dir', data]);

  before(async () => {
    undo.push(settle(Object.fromEntries(['echo', 'down', 'ssh', 'dns', 'db', 'tv'].map((name) => [`${name}.example.test`, '127.0.0.1']))));
    folder = await mkdtemp(join(tmpdir(), 'usher-tunnels-'));
    undo.push(() => rm(folder, { recursive: true, force: true }));
    data = join(folder, 'data');
    config = join(folder, 'config.yaml');
    const echo = await echoes(undo);
    cinema = await startCinema();
    undo.push(() => cinema.program.stop());
    const who = `policy: [{allow: {or: [{email: {is: ${people.ana.email}}}, {user: {is: 'service-account:backup'}}]}}]`;
    const route = (name, to) => `  - from: tcp+https://${name}\n    to: tcp://127.0.0.1:${to}\n    ${who}\n`;
    await writeFile(config, `address: 127.0.0.1:443\nauthenticate_service_url: https://echo.example.test\nroutes:\n${route('echo.example.test:7', echo)}${route('down.example.test:7', 1)}${route('ssh.example.test:22', SSHD)}${route('db.example.test:5432', await postgres(folder, undo))}${route('tv.example.test:8096', new URL(cinema.url).port)}  - from: udp+https://dns.example.test:53\n    to: udp://127.0.0.1:${await repeats(undo)}\n    ${who}\n`);
    for (const { email, name, password } of [people.ana, people.eve]) {
      await run(process.env.USHER_BIN, ['people', 'add', email, '--name', name, '--password-stdin', '--data-dir', data], { input: `${password}\n` });
    }
    undo.push(() => usher.stop());
    await startUsher();
    authority = join(data, 'authority', 'ca.pem');
    const one = await chromium({ authority });
    undo.push(() => one.stop());
    browser = one.browser;
  });
  after(async () => { for (const step of undo.reverse()) await step(); });

  /** Somebody's desk: their own cache of tokens, and a browser that writes down what it is to open. */
  const desk = async (name) => {
    const home = join(folder, name);
    await mkdir(home);
    const opens = join(home, 'opens'), opened = join(home, 'opened');
    await writeFile(opens, `#!/bin/sh\necho "$1" >> ${opened}\n`);
    await chmod(opens, 0o755);
    const links = async () => (await readFile(opened, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    return { home, opens, links, env: { ...process.env, HOME: home, XDG_CACHE_HOME: join(home, '.cache') } };
  };

  /** The addresses that a browser was told to open, when there are so many. */
  const opened = (at, count) => until('it opens the browser', async () => { const links = await at.links(); return links.length >= count && links; }, 20);

  /** Signs a program in, as its owner does in a browser: a new one, or one that may know them. */
  const signIn = async (link, who, known) => {
    const context = known ?? await browser.newContext();
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    await page.goto(link);
    await page.fill('#email', who.email);
    await page.fill('#password', who.password);
    await page.click('main button[type=submit]');
    await page.getByRole('button', { name: 'Let it in' }).click();
    await page.waitForURL(/^http:\/\/127\.0\.0\.1:/);
    await (known ? page : context).close();
  };

  /** pomerium-cli as a listener at somebody's desk. */
  const listener = async (at, to, more = []) => {
    const port = await freePort();
    const program = start('pomerium-cli', pomeriumCli(), ['tcp', to, '--listen', `127.0.0.1:${port}`,
      '--alternate-ca-path', authority, '--browser-cmd', at.opens, ...more], { env: at.env });
    undo.push(() => program.stop());
    await said(program, /started tcp listener/);
    return { port, program };
  };

  describe('pomerium-cli', { concurrency: false }, () => {
    let ana, tunnel;

    it('opens a tunnel after a sign-in in the browser', async () => {
      ana = await desk('ana');
      tunnel = await listener(ana, 'echo.example.test:7');
      const first = dial(tunnel.port);
      await first.say('hello');
      const [link] = await opened(ana, 1);
      await signIn(link, people.ana);
      await first.hears('hello');
      first.close();
    });

    it('opens a second one without a sign-in', async () => {
      const second = dial(tunnel.port);
      await second.say('again');
      await second.hears('again');
      second.close();
      assert.equal((await ana.links()).length, 1);
    });

    it('says of a service that is down that it is, and keeps its token', async () => {
      const { port, program } = await listener(ana, 'down.example.test:7');
      const one = dial(port);
      await signIn((await opened(ana, 2))[1], people.ana); // it keeps one token for each host
      await one.ended();
      await said(program, /503|unavailable/i);
      await dial(port).ended();
      assert.equal((await ana.links()).length, 2, 'the token that was kept is tried, and no browser opened');
    });

    it('is closed while bytes flow when its session is ended', async () => {
      const one = dial(tunnel.port);
      await one.say('before');
      await one.hears('before');
      await operator('sessions', 'end', people.ana.email);
      const began = Date.now();
      const flows = setInterval(() => one.say('more'), 100);
      await one.ended();
      clearInterval(flows);
      assert.ok(Date.now() - began < 5000, `closed after ${Date.now() - began} ms`);
    });

    it('gets nothing for a person who may not', async () => {
      const eve = await desk('eve');
      const { port, program } = await listener(eve, 'echo.example.test:7');
      const one = dial(port);
      await one.say('let me in');
      const [link] = await opened(eve, 1);
      await signIn(link, people.eve);
      await one.ended();
      assert.equal(one.heard(), '');
      await said(program, /unauthorized|403/i);
    });

    it('opens one for a service account, without a browser', async () => {
      const robot = await desk('robot');
      const token = join(robot.home, 'token');
      await writeFile(token, await operator('service-account', 'create', 'backup', '--until', 'never', '--config', config), { mode: 0o600 });
      const { port } = await listener(robot, 'echo.example.test:7', ['--service-account-file', token]);
      // A running usher takes a new token within seconds.
      await until('the token counts', async () => {
        const one = dial(port);
        one.say('backup');
        await until('it answers or ends', () => one.heard() === 'backup' || one.isClosed());
        const counts = one.heard() === 'backup';
        one.close();
        return counts;
      }, 20);
      assert.deepEqual(await robot.links(), []);
    });
  });

  describe('pomerium-cli and UDP', { concurrency: false }, () => {
    it('carries datagrams of every size after a sign-in in the browser', async () => {
      const ana = await desk('ana-udp'), port = await freePort();
      const program = start('pomerium-cli udp', pomeriumCli(), ['udp', 'dns.example.test:53', '--listen', `127.0.0.1:${port}`,
        '--alternate-ca-path', authority, '--browser-cmd', ana.opens], { env: ana.env });
      undo.push(() => program.stop());
      await said(program, /starting udp session manager/);
      const socket = createSocket('udp4');
      undo.push(() => socket.close());
      const heard = new Set();
      socket.on('message', (message) => heard.add(message.toString()));
      const say = (text) => socket.send(text, port, '127.0.0.1');
      say('query'); // whatever comes before somebody has signed in may be lost
      await signIn((await opened(ana, 1))[0], people.ana);
      await until('an answer comes', () => { say('query'); return heard.has('re:query'); }, 20);
      for (const size of [1, 2, 64, 512, 1200, 1472, 4096]) {
        const text = 'x'.repeat(size);
        await until(`${size} octets come back`, () => { say(text); return heard.has(`re:${text}`); }).catch((error) => { throw new Error(`${error.message}\n${program.output}`); });
      }
      assert.equal((await ana.links()).length, 1);
    });
  });

  describe('`usher udp`', { concurrency: false }, () => {
    let at, port, program;

    before(async () => {
      at = await desk('ana-usher-udp');
      program = start('usher udp', process.env.USHER_BIN, ['udp', 'dns.example.test:53', '--no-browser', '--ca', authority], { env: at.env });
      undo.push(() => program.stop());
      port = Number((await said(program, /127\.0\.0\.1:(\d+) leads to dns\.example\.test:53/))[1]);
    });

    it('carries a query of DNS after one sign-in', async () => {
      const resolver = new Resolver({ timeout: 5000, tries: 8 });
      resolver.setServers([`127.0.0.1:${port}`]);
      const answer = resolver.resolve4('tv.example.test');
      const [, link] = await said(program, /^(https:\/\/\S+)$/m);
      await signIn(link, people.ana);
      assert.deepEqual(await answer, ['192.0.2.53']);
      assert.equal(program.output.match(/^https:\/\//gm).length, 1, program.output);
    });

    it('carries 10,000 datagrams of every size up to the largest in order and whole', async (t) => {
      const { lost, wrong } = await volley(port, 10_000);
      t.diagnostic(`10,000 datagrams of 0 to 65,507 octets: ${lost} lost, ${wrong.length} cut or out of order`);
      assert.deepEqual(wrong, []);
      assert.ok(lost < 100, `${lost} lost\n${program.output}`);
    });
  });

  describe('OpenSSH through `usher tcp`', { concurrency: false }, () => {
    let ana, options;
    const remote = (command) => run('ssh', [...options, 'ssh.example.test', command], { env: ana.env });

    before(async () => {
      ana = await desk('ana-ssh');
      options = await sshd(folder, authority, undo);
    });

    it('signs in by the address that it prints, once for two sessions that wait', async () => {
      const first = start('usher tcp', process.env.USHER_BIN, ['tcp', '--listen', '127.0.0.1:0', '--no-browser', '--ca', authority, 'ssh.example.test:22'], { env: ana.env });
      undo.push(() => first.stop());
      const [, port] = await said(first, /127\.0\.0\.1:(\d+) leads to ssh\.example\.test:22/);
      const waiting = [dial(Number(port)), dial(Number(port))];
      const [, link] = await said(first, /^(https:\/\/\S+)$/m);
      await signIn(link, people.ana);
      for (const one of waiting) await one.hears('SSH-2.0-OpenSSH');
      assert.equal(first.output.match(/^https:\/\//gm).length, 1, first.output);
      first.child.kill('SIGINT');
      await once(first.child, 'close');
      const kept = join(ana.home, '.cache/usher/tokens/ssh.example.test_443.jwt');
      assert.equal((await stat(kept)).mode & 0o777, 0o600, 'kept after Ctrl-C, for its owner');
    });

    it('carries a session', async () => {
      assert.equal(await remote('echo "$((6 * 7))"'), '42\n');
    });

    it('carries 1 GiB by scp both ways, unchanged', async () => {
      const [here, there, back] = ['here', 'there', 'back'].map((name) => join(folder, name));
      await run('sh', ['-c', `openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c ${BIG} > ${here}`]);
      await run('scp', [...options, here, `ssh.example.test:${there}`], { env: ana.env });
      await run('scp', [...options, `ssh.example.test:${there}`, back], { env: ana.env });
      const [sent, arrived, came] = await Promise.all([here, there, back].map(sha256));
      assert.equal((await stat(back)).size, BIG);
      assert.deepEqual([arrived, came], [sent, sent]);
      await Promise.all([here, there, back].map((file) => rm(file)));
    });

    it('carries an rsync', async () => {
      const [from, to] = [join(folder, 'tree'), join(folder, 'copy')];
      await run('sh', ['-c', `mkdir -p ${from}/a/b && for i in $(seq 200); do echo $i > ${from}/a/b/$i; done && head -c 5000000 /dev/urandom > ${from}/a/big`]);
      await run('rsync', ['-a', '-e', `ssh ${options.join(' ')}`, `${from}/`, `ssh.example.test:${to}/`], { env: ana.env });
      await run('diff', ['-r', from, to]);
    });

    it('keeps the ports of a file open while usher is away, and whoever waits gets through', async () => {
      const file = join(ana.home, 'tunnels'), port = await freePort();
      await writeFile(file, `# desk\n127.0.0.1:${port}  ssh.example.test:22\n`);
      const tunnels = start('usher tunnels', process.env.USHER_BIN, ['tunnels', file, '--ca', authority, '--no-browser'], { env: ana.env });
      undo.push(() => tunnels.stop());
      await said(tunnels, /tunnels kept open: 1/);
      const one = dial(port);
      await one.hears('SSH-2.0-OpenSSH');
      one.close();
      await usher.stop();
      const waiting = dial(port);
      await said(tunnels, /can't be reached.*the next try is in/);
      await startUsher();
      await waiting.hears('SSH-2.0-OpenSSH');
      waiting.close();
      assert.doesNotMatch(tunnels.output, /sign in/, 'no sign-in was asked for');
    });

    it('asks in a terminal for the next sign-in before the last one ends, and nothing is asked for after', async () => {
      const at = await desk('ana-renews'), before = await readFile(config, 'utf8');
      await usher.stop();
      await writeFile(config, `cookie_expire: 40s\n${before}`);
      await startUsher();
      const command = `${process.env.USHER_BIN} tcp --listen 127.0.0.1:0 --no-browser --ca ${authority} echo.example.test:7`;
      const program = start('usher tcp in a terminal', 'script', ['-qfec', command, '/dev/null'], { env: at.env });
      undo.push(() => program.stop());
      const port = Number((await said(program, /127\.0\.0\.1:(\d+) leads to echo\.example\.test:7/))[1]);
      const first = dial(port), context = await browser.newContext();
      first.say('one');
      const [, link] = await said(program, /^(https:\/\/\S+)/m);
      await signIn(link, people.ana, context);
      const began = Date.now();
      await first.hears('one');
      const kept = join(at.home, '.cache/usher/tokens/echo.example.test_443.jwt'), old = await readFile(kept, 'utf8');
      const [, next] = await said(program, /your sign-in at https:\/\/echo\.example\.test ends in 1 min[^]*?^(https:\/\/\S+)/m, 40);
      assert.ok(Date.now() - began < 40_000, 'before its end');
      await signIn(next, people.ana, context); // in a browser that knows her: she signs in all the same
      await until('the next one is kept', async () => (await readFile(kept, 'utf8')) !== old);
      await new Promise((over) => setTimeout(over, began + 42_000 - Date.now())); // the old one has ended
      const second = dial(port);
      second.say('two');
      await second.hears('two');
      first.say(' goes on');
      await first.hears('one goes on');
      for (const one of [first, second]) one.close();
      const asked = program.output.match(/^to sign in open/gm).length, ahead = program.output.match(/^your sign-in at/gm).length;
      assert.equal(asked - ahead, 1, program.output);
      await context.close();
      await program.stop();
      await usher.stop();
      await writeFile(config, before);
      await startUsher();
    });

    it('says in one line what is wrong, with an exit status', async () => {
      const robot = await desk('nobody');
      const wrong = join(robot.home, 'wrong');
      await writeFile(wrong, 'a.b.c');
      const tcp = (...args) => run(process.env.USHER_BIN, ['tcp', '--listen', '-', '--ca', authority, ...args], { env: robot.env }).catch((error) => error.message);
      assert.match(await tcp('--token-file', wrong, 'ssh.example.test:22'), /ended with 4:\nerror: [^\n]+\n$/);
      assert.match(await tcp('ssh.example.test:23'), /ended with 1:\nerror: [^\n]+\n$/);
      assert.match(await tcp('--proxy', '127.0.0.1:1', 'ssh.example.test:22'), /ended with 3:\nerror: [^\n]+\n$/);
      assert.match(await tcp('ssh.example.test'), /ended with 2:\nerror: [^\n]+\n$/);
    });
  });

  describe('the guide\'s other programs through `usher tcp`', { concurrency: false }, () => {
    /** A port of this desk that leads there, for whoever has signed in. */
    const through = async (name, to) => {
      const at = await desk(name);
      const program = start('usher tcp', process.env.USHER_BIN, ['tcp', to, '--no-browser', '--ca', authority], { env: at.env });
      undo.push(() => program.stop());
      const [, port] = await said(program, /127\.0\.0\.1:(\d+) leads to/);
      said(program, /^(https:\/\/\S+)$/m).then(([, link]) => signIn(link, people.ana)).catch((error) => console.error(error));
      return port;
    };

    it('shows on a page what somebody may open, and how, at a desk and on a phone in the dark', async () => {
      await mkdir(SHOTS, { recursive: true });
      const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: 'dark' };
      for (const [name, options] of [['desk', { viewport: { width: 1280, height: 800 } }], ['phone-dark', phone]]) {
        const context = await browser.newContext(options), page = await context.newPage();
        await page.goto('https://ssh.example.test/.pomerium/routes');
        await page.fill('#email', people.ana.email);
        await page.fill('#password', people.ana.password);
        await page.click('main button[type=submit]');
        await page.getByRole('heading', { name: 'What you can open' }).waitFor();
        await page.screenshot({ path: join(SHOTS, `routes-${name}.png`), fullPage: true });
        const shown = await page.locator('main code').allInnerTexts();
        assert.deepEqual(shown, ['usher tcp echo.example.test:7', 'usher tcp down.example.test:7', 'usher tcp ssh.example.test:22',
          'usher tcp db.example.test:5432', 'usher tcp tv.example.test:8096', 'usher udp dns.example.test:53']);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: nothing is cut off`);
        await context.close();
      }
    });

    it('psql asks a PostgreSQL', async () => {
      const port = await through('ana-db', 'db.example.test:5432');
      const psql = (query) => run('psql', ['-h', '127.0.0.1', '-p', port, '-U', 'ana', '-d', 'postgres', '-Atqc', query], { env: { ...process.env, PGCONNECT_TIMEOUT: '60' } });
      assert.equal(await psql('select 1'), '1\n');
      assert.equal((await psql("select repeat('x', 5000000)")).length, 5_000_001);
    });

    it('mpv plays a film of Jellyfin', async () => {
      const port = await through('ana-film', 'tv.example.test:8096');
      const base = `http://127.0.0.1:${port}`, app = 'MediaBrowser Client="mpv", Device="desk", DeviceId="desk", Version="1"';
      const ask = async (path, fields, init = {}) => (await fetch(base + path, { ...init, headers: { authorization: app, 'content-type': 'application/json', ...fields } })).json();
      const [{ name, password }] = cinema.people;
      const { AccessToken } = await ask('/Users/AuthenticateByName', {}, { method: 'POST', body: JSON.stringify({ Username: name, Pw: password }) });
      const { Items } = await ask('/Items?Recursive=true&IncludeItemTypes=Movie', { authorization: `${app}, Token="${AccessToken}"` });
      const began = Date.now();
      const shown = await run('mpv', ['--no-config', '--vo=null', '--ao=null', '--length=4', `${base}/Videos/${Items[0].Id}/stream.mp4?static=true`]);
      assert.match(shown, /VO: \[null\] 1280x720[^]*End of file/);
      assert.ok(Date.now() - began > 3500, 'as long as what it shows');
    });
  });
}

/** A connection of a program that uses a tunnel. */
function dial(port) {
  const socket = connect(port, '127.0.0.1');
  let text = '', closed = false;
  socket.setEncoding('utf8');
  socket.on('data', (more) => { text += more; });
  socket.on('error', () => {});
  socket.on('close', () => { closed = true; });
  socket.on('end', () => { closed = true; socket.end(); });
  return {
    say: (words) => { if (!closed) socket.write(words); },
    heard: () => text,
    isClosed: () => closed,
    hears: (words) => until(`it hears ${words}`, () => text.includes(words), 20).catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(text)}`); }),
    ended: () => until('the connection ends', () => closed, 20),
    close: () => socket.destroy(),
  };
}

/** A service that says everything back. */
async function echoes(undo) {
  const server = createServer((socket) => { socket.on('error', () => {}); socket.pipe(socket); }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => server.close());
  return server.address().port;
}

/**
 * Sends so many datagrams of growing size, each when the one before has come back or is lost, and
 * says how many were lost, and which came back otherwise than they went.
 */
async function volley(port, count) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const wrong = [];
  let lost = 0;
  for (let n = 0; n < count; n += 1) {
    const size = Math.round((n * LARGEST) / (count - 1));
    const sent = Buffer.alloc(size, n % 251);
    if (size >= 4) sent.writeUInt32BE(n); // its number: a late one is known
    const back = new Promise((resolve) => {
      const timer = setTimeout(resolve, 2000);
      socket.once('message', (message) => { clearTimeout(timer); resolve(message); });
    });
    socket.send(sent);
    const came = await back;
    if (came === undefined) { lost += 1; socket.removeAllListeners('message'); } else if (!came.equals(sent)) wrong.push([n, size, came.length]);
  }
  socket.close();
  return { lost, wrong };
}

/** The answer to a query for an address (RFC 1035 §4.1); nothing where it is none. */
function answered(query) {
  const is = query.length > 17 && query.readUInt16BE(2) === 0x0100 && query.readUInt16BE(4) === 1;
  if (!is) return undefined;
  let end = 12;
  while (end < query.length && query[end] !== 0) end += query[end] + 1;
  const question = query.subarray(12, end + 5);
  if (question.readUInt16BE(question.length - 4) !== 1) return undefined;
  const head = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  return Buffer.concat([head, question, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53])]);
}

/** A service of UDP that answers queries of DNS, and says everything else back; what says `re:` before it. */
async function repeats(undo) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
  socket.on('message', (message, from) => {
    const words = /^(query|x+)$/.test(message.subarray(0, 4096).toString('latin1'));
    socket.send(answered(message) ?? (words ? `re:${message}` : message), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  undo.push(() => socket.close());
  return socket.address().port;
}

/** Debian's sshd for this folder's keys; the options with which ssh reaches it through `usher tcp`. */
async function sshd(folder, authority, undo) {
  const at = join(folder, 'sshd');
  await mkdir(at, { mode: 0o700 });
  for (const name of ['host', 'ana']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(at, name)]);
  await writeFile(join(at, 'authorized'), await readFile(join(at, 'ana.pub')), { mode: 0o600 });
  const [kind, key] = (await readFile(join(at, 'host.pub'), 'utf8')).split(' ');
  await writeFile(join(at, 'known'), `ssh.example.test ${kind} ${key}\n`);
  await writeFile(join(at, 'config'), `Port ${SSHD}\nListenAddress 127.0.0.1\nHostKey ${join(at, 'host')}\nPidFile none\nStrictModes no
AuthorizedKeysFile ${join(at, 'authorized')}\nPasswordAuthentication no\nSubsystem sftp internal-sftp\nUsePAM no\nPermitRootLogin yes\n`);
  await mkdir('/run/sshd', { recursive: true });
  const server = start('sshd', '/usr/sbin/sshd', ['-D', '-e', '-f', join(at, 'config')]);
  undo.push(() => server.stop());
  await said(server, /Server listening on 127\.0\.0\.1/);
  const client = join(at, 'client');
  await writeFile(client, `Host ssh.example.test\n  User root\n  IdentityFile ${join(at, 'ana')}\n  IdentitiesOnly yes\n  UserKnownHostsFile ${join(at, 'known')}
  StrictHostKeyChecking yes\n  BatchMode yes\n  ProxyCommand ${process.env.USHER_BIN} tcp --listen - --ca ${authority} --no-browser %h:%p\n`);
  return ['-F', client];
}

async function sha256(file) {
  const sum = createHash('sha256');
  for await (const piece of createReadStream(file)) sum.update(piece);
  return sum.digest('hex');
}

/** A PostgreSQL server of this folder, which lets everybody in; its port. It does not run as root. */
async function postgres(folder, undo) {
  const versions = (await readdir('/usr/lib/postgresql')).sort((one, other) => other - one);
  const programs = join('/usr/lib/postgresql', versions[0], 'bin'), data = join(folder, 'postgresql');
  const as = (...args) => ['--user', '--map-user=1', '--map-group=1', '--', ...args];
  await run('unshare', as(join(programs, 'initdb'), '-D', data, '-U', 'ana', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C'));
  const port = await freePort();
  const server = start('PostgreSQL', 'unshare', as(join(programs, 'postgres'), '-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', ''));
  undo.push(() => server.stop());
  await said(server, /ready to accept connections/);
  return port;
}
