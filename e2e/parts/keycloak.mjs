// Keycloak, from Maven Central. Its first start takes a minute and is done once: the folder it
// leaves behind is kept, named after the version and the realm, and each run works on a copy.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CACHE } from './cache.mjs';
import { ADMIN, adminAt } from './keycloak-admin.mjs';
import { CLIENT_SECRET } from './people.mjs';
import { freePort, run, start, until } from './process.mjs';
import { tap } from './tap.mjs';

const VERSION = '26.7.3';
const SHA256 = '27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f';
const GET = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get';
const REALM = new URL('./keycloak-realm.json', import.meta.url);

/** Downloads, checks, unpacks and warms Keycloak where that was not done before. */
export async function warmKeycloak(say = () => {}) {
  const realm = await readFile(REALM);
  const folder = join(CACHE, `keycloak-${VERSION}-${createHash('sha256').update(realm).digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'keycloak-new-'));
  try {
    say(`Keycloak ${VERSION}: first start, about a minute`);
    await run('unzip', ['-q', await download(say), '-d', work]);
    const fresh = join(work, `keycloak-${VERSION}`);
    await mkdir(join(fresh, 'data', 'import'), { recursive: true });
    await cp(REALM, join(fresh, 'data', 'import', 'usher-realm.json'));
    const server = await boot(fresh, 240);
    await server.program.stop();
    await rename(fresh, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}

async function download(say) {
  const zip = join(CACHE, `keycloak-quarkus-dist-${VERSION}.zip`);
  if (existsSync(zip) && await sha256(zip) === SHA256) return zip;
  say(`Keycloak ${VERSION}: from Maven Central, 177 MB`);
  const repository = join(CACHE, 'maven');
  await run('mvn', ['-q', '-B', GET, `-Dmaven.repo.local=${repository}`,
    `-Dartifact=org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`, '-Dtransitive=false']);
  await cp(join(repository, `org/keycloak/keycloak-quarkus-dist/${VERSION}/keycloak-quarkus-dist-${VERSION}.zip`), zip);
  await rm(repository, { recursive: true, force: true });
  const found = await sha256(zip);
  if (found !== SHA256) {
    await rm(zip);
    throw new Error(`Keycloak's zip has SHA-256 ${found}, not ${SHA256}; it was thrown away`);
  }
  return zip;
}

async function sha256(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function boot(folder, seconds) {
  const port = await freePort();
  const program = start('keycloak', join(folder, 'bin', 'kc.sh'),
    ['start-dev', '--http-host', '127.0.0.1', '--http-port', String(port), '--import-realm'],
    { cwd: folder, env: { ...process.env, ...ADMIN, JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1' } });
  await until('keycloak answers with its discovery document', async () => {
    if (program.exited) throw new Error(program.output.slice(-2000));
    const answer = await fetch(`http://127.0.0.1:${port}/realms/usher/.well-known/openid-configuration`);
    await answer.arrayBuffer();
    return answer.status === 200;
  }, seconds).catch(async (error) => { await program.stop(); throw error; });
  return { program, port };
}

/** Starts a warm copy. `{ port, stop }`. */
export async function bootKeycloak() {
  const warm = await warmKeycloak();
  const home = await mkdtemp(join(tmpdir(), 'usher-keycloak-'));
  await cp(warm, home, { recursive: true });
  try {
    const { program, port } = await boot(home, 120);
    return { port, async stop() { await program.stop(); await rm(home, { recursive: true, force: true }); } };
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Keycloak as a provider for one usher: the one that the run has started, or one of its own.
 * Browser and usher reach it through a wire that remembers tokens and codes.
 */
export async function keycloak({ callback }) {
  const shared = process.env.USHER_E2E_KEYCLOAK;
  const server = shared ? { port: Number(shared), stop() {} } : await bootKeycloak();
  const wire = await tap(server.port);
  const issuer = `http://localhost:${wire.port}/realms/usher`;
  const admin = adminAt(new URL(issuer).origin);
  // The callback's port is new in each run.
  await admin.client({ redirectUris: [callback], attributes: { 'post.logout.redirect.uris': `${new URL(callback).origin}/*` } });
  return {
    name: 'Keycloak',
    admin,
    issuer,
    config: `idp_provider: oidc
idp_provider_url: ${issuer}
idp_client_id: usher
idp_client_secret: ${CLIENT_SECRET}
idp_scopes: [openid, profile, email]
`,
    wire,
    origin: new URL(issuer).origin,
    async signIn(page, person) {
      await page.fill('#username', person.email);
      await page.fill('#password', person.password);
      await page.click('#kc-login');
    },
    async stop() { await wire.stop(); await server.stop(); },
  };
}
