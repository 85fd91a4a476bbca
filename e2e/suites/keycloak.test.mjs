import { keycloak } from '../parts/keycloak.mjs';
import { browserSuite } from './browser.mjs';
import { keycloakSessions } from './sessions.mjs';

browserSuite('Keycloak', keycloak);
keycloakSessions(keycloak);
