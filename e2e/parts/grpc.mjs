// A gRPC service of the reference library for Node, and usher in front of it: over h2c and over TLS.
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, run, start, until } from './process.mjs';

const PROTO = fileURLToPath(new URL('echo.proto', import.meta.url));
const { Echo } = grpc.loadPackageDefinition(loader.loadSync(PROTO)).usher.e2e;

/** Starts everything: `h2c`, `tls`, `slow` and `closed` are routes of it. */
export async function grpcHouse() {
  const folder = await mkdtemp(join(tmpdir(), 'usher-grpc-'));
  const undo = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => { for (const step of undo.splice(0).reverse()) await step(); };
  try {
    const { key, cert, file: certFile } = await certificate(folder);
    const seen = { cancelled: 0, authorities: [] };
    const plain = await serve(seen, grpc.ServerCredentials.createInsecure(), undo);
    const secure = await serve(seen, grpc.ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }]), undo);
    const port = await freePort(), nobody = await freePort();
    const config = join(folder, 'config.yaml'), data = join(folder, 'data');
    const route = (name, to, rest = 'allow_public_unauthenticated_access: true') =>
      `  - from: https://${name}.example.test:${port}\n    to: ${to}\n    ${rest}\n`;
    const open = 'allow_public_unauthenticated_access: true\n    timeout: 0s';
    await writeFile(config, `address: 127.0.0.1:${port}\nroutes:\n${[
      route('h2c', `h2c://127.0.0.1:${plain}`, open),
      route('tls', `https://localhost:${secure}`, `${open}\n    tls_custom_ca_file: ${certFile}\n    tls_upstream_server_name: localhost`),
      route('slow', `h2c://127.0.0.1:${plain}`, 'allow_public_unauthenticated_access: true\n    timeout: 1s'),
      route('closed', `h2c://127.0.0.1:${plain}`, 'allow_any_authenticated_user: true'),
      route('dead', `h2c://127.0.0.1:${nobody}`, open),
    ].join('')}`);
    const usher = start('usher', process.env.USHER_BIN, ['run', '--config', config], { env: { ...process.env, USHER_DATA_DIR: data } });
    undo.push(() => usher.stop());
    const authority = join(data, 'authority', 'ca.pem');
    await until('usher listens', async () => {
      if (usher.exited) throw new Error('ended early');
      return existsSync(authority) && usher.output.includes('h2c.example.test');
    }, 20).catch((error) => { throw new Error(`${error.message}\n${usher.output}`); });
    const roots = await readFile(authority);
    /** A client of one of the routes; it trusts usher's own authority and nobody else. */
    const client = async (name) => {
      const options = { 'grpc.ssl_target_name_override': `${name}.example.test`, 'grpc.default_authority': `${name}.example.test:${port}` };
      const one = new Echo(`127.0.0.1:${port}`, grpc.credentials.createSsl(roots), options);
      undo.push(() => one.close());
      await new Promise((good, bad) => one.waitForReady(Date.now() + 20_000, (error) => (error ? bad(error) : good())));
      return one;
    };
    return { client, seen, usher, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function certificate(folder) {
  const [keyFile, file] = [join(folder, 'app.key'), join(folder, 'app.pem')];
  await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile,
    '-out', file, '-days', '30', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE']);
  return { key: await readFile(keyFile), cert: await readFile(file), file };
}

async function serve(seen, credentials, undo) {
  const server = new grpc.Server();
  server.addService(Echo.service, service(seen));
  const port = await new Promise((good, bad) => server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? bad(error) : good(port))));
  undo.push(() => server.forceShutdown());
  return port;
}

function service(seen) {
  const trailers = (text) => { const all = new grpc.Metadata(); all.set('x-count', text); all.set('x-octets-bin', Buffer.from([0, 255, 10])); return all; };
  return {
    say(call, reply) {
      seen.authorities.push(call.getHost());
      const first = new grpc.Metadata();
      first.set('x-heard', String(call.metadata.get('x-said')[0] ?? ''));
      first.set('x-identity', String(call.metadata.get('x-pomerium-jwt-assertion')[0] ?? 'none'));
      call.sendMetadata(first);
      reply(null, call.request, trailers('1'));
    },
    count(call) {
      for (let number = 1; number <= call.request.number; number += 1) call.write({ text: call.request.text, number });
      call.end(trailers(String(call.request.number)));
    },
    gather(call, reply) {
      let text = '', number = 0;
      call.on('data', (words) => { text = words.text; number += words.number; });
      call.on('end', () => reply(null, { text, number }, trailers(String(number))));
    },
    talk(call) {
      call.on('data', (words) => call.write({ text: words.text.toUpperCase(), number: words.number }));
      call.on('end', () => call.end(trailers('talked')));
    },
    fail(call, reply) {
      reply({ code: grpc.status.FAILED_PRECONDITION, details: 'not today: ü %', metadata: trailers('failed') });
    },
    break(call) {
      call.write({ text: 'first', number: 1 });
      call.emit('error', { code: grpc.status.DATA_LOSS, details: 'half of it is gone', metadata: trailers('broken') });
    },
    hang(call) {
      call.on('cancelled', () => { seen.cancelled += 1; });
    },
  };
}
