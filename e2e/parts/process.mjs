// Processes that a suite starts: their output is kept whole, and each is stopped by its own id.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

const running = new Set();
// A suite that dies must not leave servers behind.
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** Starts a program. `output` grows with everything that it says on both streams. */
export function start(name, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const program = { name, child, output: '', exited: false };
  running.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => { program.output += text; child.emit('said', text); });
  }
  child.on('error', (error) => { program.output += `${command}: ${error.message}\n`; });
  child.on('close', () => { program.exited = true; running.delete(child); child.emit('said', ''); });
  program.stop = () => stop(program);
  return program;
}

/** Ends a program in order; after ten seconds without mercy. */
async function stop(program) {
  if (program.exited) return;
  const hard = setTimeout(() => program.child.kill('SIGKILL'), 10_000);
  const closed = once(program.child, 'close');
  program.child.kill('SIGTERM');
  await closed;
  clearTimeout(hard);
}

/** The first match of `pattern` in what the program says. */
export function said(program, pattern, seconds = 30) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => settle(new Error(`${program.name} did not say ${pattern} in ${seconds} s`)), seconds * 1000);
    const look = () => {
      const found = program.output.match(pattern);
      if (found) settle(null, found);
      else if (program.exited) settle(new Error(`${program.name} ended early`));
    };
    const settle = (error, found) => {
      clearTimeout(late);
      program.child.off('said', look);
      if (error) reject(new Error(`${error.message}; it said:\n${program.output.slice(-4000)}`));
      else resolve(found);
    };
    program.child.on('said', look);
    look();
  });
}

/** Runs a program to its end on `input` and gives its standard output; throws with all it said. */
export async function run(command, args, { input = '', ...options } = {}) {
  const child = spawn(command, args, { stdio: 'pipe', ...options });
  child.stdin.on('error', () => {}); // a program need not read it
  child.stdin.end(input);
  let out = '', all = '';
  child.stdout.setEncoding('utf8').on('data', (text) => { out += text; all += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { all += text; });
  const [code] = await Promise.race([once(child, 'close'), once(child, 'error').then(([error]) => { throw error; })]);
  if (code !== 0) throw new Error(`\`${command} ${args.join(' ')}\` ended with ${code}:\n${all.slice(-4000)}`);
  return out;
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks again until `ready` resolves to something true; what it threw last is in the error. */
export async function until(what, ready, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const answer = await ready();
      if (answer) return answer;
    } catch (error) { last = error; }
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}${last ? ` (${last.message})` : ''}`);
    await new Promise((again) => setTimeout(again, 50));
  }
}
