// `node e2e/run.mjs [PART OF A SUITE'S NAME …]`: real browsers, providers and client libraries
// against a real usher. Installs what it needs, starts what it needs, and says how it went.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = resolve(HERE, '..');
const wanted = process.argv.slice(2);
const all = ['demo', 'guide', 'builtin', 'passkeys', 'codes', 'mail', 'family', 'doctor', 'seats', 'devices', 'neighbours', 'workers', 'oidc-provider', 'openid', 'clients', 'grpc', 'tunnels', 'keycloak'];
const suites = all.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
if (suites.length === 0) fail(`no suite is named like ${wanted.join(' ')}`);
const listed = readdirSync(join(HERE, 'suites')).filter((file) => file.endsWith('.test.mjs')).length;
if (listed !== all.length) fail('run.mjs and suites/ disagree about which suites there are');

const began = Date.now();
await setup((line) => console.log(line)).catch((error) => fail(error.message));
process.env.USHER_BIN = usherBinary();
process.env.CINEMA_BIN = cinemaBinary();
process.env.RECORDED_BIN = recordedBinary();

// Keycloak takes the longest to start: it does so beside the first suites.
const { bootKeycloak } = await import('./parts/keycloak.mjs');
const booting = suites.includes('keycloak') ? bootKeycloak() : null;
booting?.catch(() => {}); // reported below, when it is waited for

const count = { passed: 0, failed: 0 };
try {
  await suite(suites.filter((name) => name !== 'keycloak'));
  if (booting) {
    process.env.USHER_E2E_KEYCLOAK = String((await booting).port);
    await suite(['keycloak']);
  }
} catch (error) {
  count.failed += 1;
  console.error(error.message);
} finally {
  await booting?.then((server) => server.stop(), () => {});
}
console.log(`${Math.round((Date.now() - began) / 1000)} s`);
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exit(count.failed === 0 && count.passed > 0 ? 0 : 1);

/** Runs suites, each in a process of its own, and counts their tests. */
async function suite(names) {
  if (names.length === 0) return;
  const files = names.map((name) => join(HERE, 'suites', `${name}.test.mjs`));
  const events = run({ files, concurrency: 1, timeout: 900_000 });
  const leaf = (event) => event.details?.type !== 'suite' && !files.includes(event.name);
  events.on('test:pass', (event) => {
    // A test that did not run has shown nothing.
    if (leaf(event)) count[event.skip !== undefined || event.todo !== undefined ? 'failed' : 'passed'] += 1;
  });
  events.on('test:fail', (event) => { if (leaf(event) || event.details?.error?.failureType !== 'subtestsFailed') count.failed += 1; });
  await new Promise((end, wrong) => events.compose(spec()).on('error', wrong).on('end', end).pipe(process.stdout, { end: false }));
}

function usherBinary() {
  if (process.env.USHER_BIN) return resolve(process.env.USHER_BIN);
  return built(['build', '--package', 'usher', '--bin', 'usher']);
}

function cinemaBinary() {
  if (process.env.CINEMA_BIN) return resolve(process.env.CINEMA_BIN);
  return built(['build', '--package', 'usher-cinema', '--example', 'cinema']);
}

function recordedBinary() {
  if (process.env.RECORDED_BIN) return resolve(process.env.RECORDED_BIN);
  return built(['build', '--package', 'usher-lab', '--example', 'recorded_service']);
}

/** Builds with Cargo and gives the path of the program, from Cargo's own messages. */
function built(args) {
  const said = execFileSync('cargo', [...args, '--message-format=json-render-diagnostics'],
    { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });
  const program = said.split('\n').filter((line) => line.includes('"executable":"')).map((line) => JSON.parse(line).executable).pop();
  if (!program || !existsSync(program)) fail(`\`cargo ${args.join(' ')}\` made no program`);
  return program;
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}
