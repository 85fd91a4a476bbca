// Keycloak's admin REST API, as its console uses it.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { request } from 'node:https';
import { people } from './people.mjs';

export const ADMIN = { KC_BOOTSTRAP_ADMIN_USERNAME: 'admin', KC_BOOTSTRAP_ADMIN_PASSWORD: 'canary-admin-3Tn6' };

/**
 * What an admin does in the realm. A logout token's issuer is the origin that the admin came by, so
 * it has to be the one that usher knows.
 */
export function adminAt(origin) {
  let token, renewAt = 0;
  // A token lives for a minute; a call gets one that has half of that before it.
  const renew = async () => {
    const given = await ask(`${origin}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'password', client_id: 'admin-cli',
        username: ADMIN.KC_BOOTSTRAP_ADMIN_USERNAME, password: ADMIN.KC_BOOTSTRAP_ADMIN_PASSWORD,
      }),
    });
    [token, renewAt] = [given.access_token, Date.now() + given.expires_in * 500];
  };
  const call = async (method, path, body) => {
    if (Date.now() >= renewAt) await renew();
    return ask(`${origin}/admin/realms/usher${path}`, {
      method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  };
  return {
    realm: (change) => call('PUT', '', change),
    /** Changes usher's client; `attributes` come beside those that it has. */
    async client({ attributes = {}, ...change }) {
      const [client] = await call('GET', '/clients?clientId=usher');
      await call('PUT', `/clients/${client.id}`, { ...client, ...change, attributes: { ...client.attributes, ...attributes } });
    },
    /** A new person of a group, with Ana's password. */
    async person(name, group) {
      const email = `${name}@example.test`, { password } = people.ana;
      await call('POST', '/users', {
        username: name, email, emailVerified: true, enabled: true, firstName: name, lastName: 'Guest', groups: [group],
        credentials: [{ type: 'password', value: password, temporary: false }],
      });
      const [{ id }] = await call('GET', `/users?exact=true&username=${name}`);
      return {
        id, email, password,
        async leaves(group) {
          const [{ id: left }] = await call('GET', `/groups?exact=true&search=${group}`);
          await call('DELETE', `/users/${id}/groups/${left}`);
        },
        disable: () => call('PUT', `/users/${id}`, { enabled: false }),
        logOut: () => call('POST', `/users/${id}/logout`),
        /** What Keycloak has written down of them, the newest first. */
        events: (type) => call('GET', `/events?type=${type}&user=${id}`),
      };
    },
  };
}

/**
 * Keycloak resolves no name under example.test and trusts no authority of a test. What it posts here
 * comes to usher's authenticate host by TLS; `statuses` are usher's answers.
 */
export async function postman(port) {
  const statuses = [];
  const server = createServer((posted, reply) => {
    const host = 'authenticate.example.test';
    const on = request({
      host: '127.0.0.1', port, path: posted.url, method: posted.method, servername: host, rejectUnauthorized: false,
      headers: { ...posted.headers, host: `${host}:${port}` },
    }, (answer) => {
      statuses.push(answer.statusCode);
      reply.writeHead(answer.statusCode, answer.headers);
      answer.pipe(reply);
    });
    on.on('error', () => reply.destroy());
    posted.pipe(on);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, statuses, stop: () => server.close() };
}

async function ask(url, options) {
  const answer = await fetch(url, options);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text.slice(0, 200)}`);
  return text ? JSON.parse(text) : null;
}
