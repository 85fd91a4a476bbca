import { oidcProvider } from '../parts/oidc-provider.mjs';
import { browserSuite } from './browser.mjs';
import { outage } from './sessions.mjs';

browserSuite('oidc-provider', oidcProvider);
outage(oidcProvider);
