// A wire that remembers: bytes pass untouched both ways, and a copy is kept to search for secrets.
import { connect, createServer } from 'node:net';
import { once } from 'node:events';

const KEPT_BYTES = 8 << 20; // each way; films are longer and hold no secrets

/** Listens on a free port of 127.0.0.1 and passes every connection on to `port`. */
export async function tap(port) {
  const kept = { up: [], down: [] }, size = { up: 0, down: 0 };
  const sockets = new Set();
  let calls = 0;
  const keep = (way, bytes) => {
    if (size[way] + bytes.length > KEPT_BYTES) return;
    size[way] += bytes.length;
    kept[way].push(Buffer.from(bytes));
  };
  const server = createServer((client) => {
    calls += 1;
    const upstream = connect({ port, host: '127.0.0.1' });
    for (const [from, to, way] of [[client, upstream, 'up'], [upstream, client, 'down']]) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (bytes) => keep(way, bytes));
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => { sockets.delete(from); to.destroy(); });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    /** How many connections were begun so far. */
    calls: () => calls,
    /** What clients sent so far. */
    up: () => Buffer.concat(kept.up).toString('latin1'),
    /** What the server behind answered so far. */
    down: () => Buffer.concat(kept.down).toString('latin1'),
    forget() { for (const way of ['up', 'down']) { kept[way] = []; size[way] = 0; } },
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
