import { keycloak } from '../parts/keycloak.mjs';
import { browserSuite } from './browser.mjs';

browserSuite('Keycloak', keycloak);
