// Whatever must never be seen: gathered while browsers work, searched for at the end.
import { CLIENT_SECRET, people } from './people.mjs';

const OWN_PATH = /^\/(\.pomerium\/|oauth2\/)/;
const TOKENS = /"(?:access_token|id_token|refresh_token)"\s*:\s*"([^"]{16,})"/g;
const FORM_SECRETS = /\b(?:code_verifier|refresh_token|code)=([\w%.~-]{16,})/g;

/** Gathers secrets and pages from every context that it is told to watch. */
export function secrets() {
  const found = new Map(Object.entries({ 'client secret': CLIENT_SECRET }).map(([what, value]) => [value, what]));
  for (const [who, person] of Object.entries(people)) found.set(person.password, `${who}'s password`);
  const pages = [];
  const add = (what, value) => { if (value && value.length >= 12) found.set(value, what); };

  return {
    pages,
    add,
    /** Remembers codes and handles in addresses, and every document that is shown. */
    watch(context) {
      context.on('request', (request) => {
        const url = new URL(request.url());
        if (!url.hostname.endsWith('.example.test') || !OWN_PATH.test(url.pathname)) return;
        // A route's own address is in these too, and no secret.
        for (const [name, value] of url.searchParams) if (value.length >= 24 && !/^https?:/.test(value)) add(`${name} in ${url.pathname}`, value);
      });
      context.on('response', async (response) => {
        if (!response.url().includes('.example.test') || response.request().resourceType() !== 'document') return;
        for (const { name, value } of await response.headersArray().catch(() => [])) {
          if (name.toLowerCase() === 'set-cookie') add(`cookie ${value.split('=')[0]}`, value.split(';')[0].split('=').slice(1).join('='));
        }
        pages.push({ url: response.url(), html: await response.text().catch(() => '') });
      });
    },
    /** Reads tokens, codes and verifiers out of what provider and usher said to each other. */
    overhear(wire) {
      for (const [, token] of wire.down().matchAll(TOKENS)) add('token of the provider', token);
      for (const [, value] of wire.up().matchAll(FORM_SECRETS)) add('code or verifier', decodeURIComponent(value));
    },
    /** How many secrets of a kind were gathered: a search that looks for nothing finds nothing. */
    kinds: () => [...found.values()],
    /** What of all this is in a text. */
    leaked(text, { except = () => false } = {}) {
      return [...found].filter(([value, what]) => !except(what) && (text.includes(value) || text.includes(encodeURIComponent(value))))
        .map(([, what]) => what);
    },
  };
}
