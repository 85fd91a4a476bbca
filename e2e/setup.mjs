// Makes everything ready that the suites need, and does nothing where it is ready already.
// Run on its own it warms the cache: `node e2e/setup.mjs`.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Program that must be there → Debian package that brings it. */
const PROGRAMS = {
  pebble: 'pebble', unshare: 'util-linux', ip: 'iproute2', openssl: 'openssl', chromium: 'chromium', certutil: 'libnss3-tools', ffmpeg: 'ffmpeg', unzip: 'unzip', java: 'openjdk-17-jre-headless', mvn: 'maven',
  sshd: 'openssh-server', ssh: 'openssh-client', rsync: 'rsync', psql: 'postgresql', mpv: 'mpv', script: 'bsdutils',
};

/** Everything, in an order in which each step has what it needs. */
export async function setup(say = () => {}) {
  programs(say);
  npm(say);
  python(say);
  // These import what the steps above have installed.
  const [{ film }, { warmKeycloak }, { pomeriumCli }] = await Promise.all([import('./parts/film.mjs'), import('./parts/keycloak.mjs'), import('./parts/pomerium-cli.mjs')]);
  await film();
  pomeriumCli(say);
  await warmKeycloak(say);
}

function programs(say) {
  const missing = Object.keys(PROGRAMS).filter((name) => !found(name)).map((name) => PROGRAMS[name]);
  if (!existsSync('/usr/share/fonts/truetype/dejavu') && !found('fc-list')) missing.push('fonts-dejavu-core');
  if (spawnSync('python3', ['-c', 'import ensurepip, venv']).status !== 0) missing.push('python3-venv');
  if (missing.length === 0) return;
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing];
  if (process.getuid() !== 0 || !found('apt-get')) {
    throw new Error(`the suites need more programs; please run:\n  sudo apt-get update && sudo apt-get ${install.join(' ')}`);
  }
  say(`apt-get install ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  quietly('apt-get', ['update', '-qq'], { env });
  quietly('apt-get', install, { env });
}

function npm(say) {
  once(join(HERE, 'node_modules'), ['package.json', 'package-lock.json'], () => {
    say('npm ci');
    quietly('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: HERE });
  });
}

function python(say) {
  const venv = join(HERE, '.venv');
  once(venv, ['requirements.txt'], () => {
    say('pip install');
    rmSync(venv, { recursive: true, force: true });
    quietly('python3', ['-m', 'venv', venv]);
    quietly(join(venv, 'bin', 'pip'), ['install', '-q', '--disable-pip-version-check', '-r', join(HERE, 'requirements.txt')]);
  });
}

/** Does `work` unless `folder` was made from these very files. */
function once(folder, files, work) {
  const sum = createHash('sha256');
  for (const file of files) sum.update(readFileSync(join(HERE, file)));
  const wanted = sum.digest('hex'), stamp = join(folder, '.made-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  work();
  mkdirSync(folder, { recursive: true });
  writeFileSync(stamp, wanted);
}

function found(name) {
  return spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${name}`]).status === 0;
}

function quietly(command, args, options = {}) {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  } catch (error) {
    throw new Error(`\`${command} ${args.join(' ')}\` failed:\n${error.stdout ?? ''}${error.stderr ?? error.message}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const began = Date.now();
  await setup((line) => console.log(line));
  console.log(`ready in ${((Date.now() - began) / 1000).toFixed(1)} s; cache in ${process.env.USHER_E2E_CACHE || join(homedir(), '.cache', 'usher-e2e')}`);
}
