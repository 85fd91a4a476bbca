import { oidcProvider } from '../parts/oidc-provider.mjs';
import { browserSuite } from './browser.mjs';

browserSuite('oidc-provider', oidcProvider);
