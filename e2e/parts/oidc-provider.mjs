// oidc-provider from npm, with a sign-in page of its own: a second opinion on the protocol.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { CLIENT_SECRET, people } from './people.mjs';
import { freePort } from './process.mjs';
import { tap } from './tap.mjs';

const PAGE = (uid) => `<!doctype html><title>Sign in</title><form method="post" action="/interaction/${uid}">
<input name="login" autocomplete="off"><input name="password" type="password"><button>Sign in</button></form>`;

/** oidc-provider on a free port, reached through a wire that remembers. */
export async function oidcProvider({ callback }) {
  const port = await freePort();
  const wire = await tap(port);
  const issuer = `http://localhost:${wire.port}`;
  const provider = await makeProvider(issuer, callback);
  const protocol = provider.callback();
  const server = createServer((request, response) => {
    const interaction = request.url.match(/^\/interaction\/([\w-]+)$/);
    const answered = interaction ? interact(provider, request, response, interaction[1]) : protocol(request, response);
    Promise.resolve(answered).catch((error) => response.writeHead(500).end(String(error)));
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    name: 'oidc-provider',
    config: `idp_provider: oidc
idp_provider_url: ${issuer}
idp_client_id: usher
idp_client_secret: ${CLIENT_SECRET}
idp_scopes: [openid, profile, email, groups]
`,
    wire,
    origin: issuer,
    /** Stops it as an operator would: what it has begun to answer is answered. It keeps what it knows. */
    async down() {
      const closed = once(server.close(), 'close');
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const late = setTimeout(() => server.closeAllConnections(), 2_000); // browsers connect ahead of need
      await closed;
      clearInterval(idle);
      clearTimeout(late);
    },
    async up() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    async signIn(page, person) {
      await page.fill('[name=login]', person.email);
      await page.fill('[name=password]', person.password);
      await page.click('button');
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await wire.stop();
    },
  };
}

async function makeProvider(issuer, callback) {
  const { Provider } = await quietly(() => import('oidc-provider'));
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const home = new URL(callback).origin;
  return new Provider(issuer, {
    clients: [{
      client_id: 'usher', client_secret: CLIENT_SECRET,
      redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'],
      post_logout_redirect_uris: [`${home}/.pomerium/signed_out`, `${home}/`, home],
    }],
    jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'one' }] },
    cookies: { keys: [randomBytes(24).toString('hex')] },
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    conformIdTokenClaims: false, // e-mail and groups in the ID token too
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 600, RefreshToken: 3600, Session: 3600 },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        // Straight on: whoever followed usher's sign-out has already said so.
        logoutSource: (ctx, form) => {
          ctx.body = `<!doctype html><title>Sign out</title>${form}<button name="logout" value="yes" form="op.logoutForm">Sign out</button>`;
        },
      },
      revocation: { enabled: true },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, id) => {
      const person = people[id];
      return person && {
        accountId: id,
        claims: () => ({ sub: id, email: person.email, email_verified: true, name: person.name, groups: person.groups }),
      };
    },
  });
}

/** The package warns about Node's version when it is loaded; the suite's output stays its own. */
async function quietly(load) {
  const { warn } = console;
  console.warn = () => {};
  try { return await load(); } finally { console.warn = warn; }
}

/** The sign-in page, and a consent that is given unasked. */
async function interact(provider, request, response, uid) {
  const details = await provider.interactionDetails(request, response);
  if (details.prompt.name === 'consent') {
    const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope(details.params.scope);
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  }
  if (request.method !== 'POST') return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE(uid));
  const form = new URLSearchParams(await body(request));
  const found = Object.entries(people).find(([, p]) => p.email === form.get('login') && p.password === form.get('password'));
  if (!found) return response.writeHead(401, { 'content-type': 'text/html' }).end(PAGE(uid));
  return provider.interactionFinished(request, response, { login: { accountId: found[0] } }, { mergeWithLastSubmission: false });
}

async function body(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}
