// Pebble, the authority of the ACME authors, on loopback: it looks for proof on ports 80 and 443.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { start, until } from './process.mjs';

/** Starts one. `ca` signed its own HTTPS, `root` what it issues; both are files. */
export async function pebble(folder) {
  const file = (name) => join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test directory authority',
    '-keyout', file('ca.key'), '-out', file('ca.pem'));
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-keyout', file('srv.key'), '-out', file('srv.csr'));
  writeFileSync(file('srv.ext'), 'subjectAltName=DNS:localhost\n');
  openssl('x509', '-req', '-in', file('srv.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file('srv.ext'), '-out', file('srv.pem'));
  writeFileSync(file('pebble.json'), JSON.stringify({ pebble: {
    listenAddress: '127.0.0.1:14000', managementListenAddress: '127.0.0.1:15000', certificate: file('srv.pem'), privateKey: file('srv.key'),
    httpPort: 80, tlsPort: 443, ocspResponderURL: '', externalAccountBindingRequired: false, certificateValidityPeriod: 86400,
  } }));
  const program = start('pebble', 'pebble', ['-config', file('pebble.json')],
    { env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0' } });
  const root = await until('pebble answers', async () => {
    if (program.exited) throw new Error(`${program.output}\nhint: apt-get install pebble`);
    return get('https://localhost:15000/roots/0');
  });
  writeFileSync(file('root.pem'), root);
  return { directory: 'https://localhost:14000/dir', ca: file('ca.pem'), root: file('root.pem'), stop: () => program.stop() };
}

function get(url) {
  return new Promise((resolve, reject) => {
    request(url, { rejectUnauthorized: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (more) => { text += more; }).on('end', () => resolve(answer.statusCode === 200 ? text : ''));
    }).on('error', reject).end();
  });
}
