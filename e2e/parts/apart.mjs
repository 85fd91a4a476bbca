// A machine of its own: a network namespace in which the ports that a public server has (80, 443)
// are free, and names lead where a test wants them. Nothing of it can be seen outside.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Are we apart already? */
export const isApart = process.env.USHER_E2E_APART === '1';

/** Runs a suite's file again, apart, and gives what became of each of its tests. */
export function runApart(file) {
  const root = process.getuid() === 0;
  const args = [...(root ? [] : ['--map-root-user']), '--net', '--mount', '--', process.execPath, '--test', '--test-reporter=tap', file];
  const env = { ...process.env, USHER_E2E_APART: '1' };
  delete env.NODE_TEST_CONTEXT; // it would report to this process, in a form of its own
  const { stdout, stderr, status, error } = spawnSync('unshare', args, { env, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error) throw new Error(`unshare: ${error.message}; it comes with the package util-linux`);
  const tests = [...stdout.matchAll(/^ {4,}(not )?ok \d+ - (.*?)(?: # .*)?$/gm)].map(([, failed, name]) => ({ name, failed: failed !== undefined }));
  return { tests, status, output: `${stdout}\n${stderr}` };
}

/** Loopback, and these names. Only apart. */
export function settle(names) {
  const quietly = (command, args) => {
    const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  };
  quietly('ip', ['link', 'set', 'lo', 'up']);
  const folder = mkdtempSync(join(tmpdir(), 'usher-hosts-'));
  const lines = Object.entries(names).map(([name, address]) => `${address} ${name}\n`);
  writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost\n${lines.join('')}`);
  quietly('mount', ['--bind', join(folder, 'hosts'), '/etc/hosts']);
  if (!readFileSync('/etc/hosts', 'utf8').includes(Object.keys(names)[0])) throw new Error('the names did not arrive');
  return () => { spawnSync('umount', ['/etc/hosts']); rmSync(folder, { recursive: true, force: true }); };
}
