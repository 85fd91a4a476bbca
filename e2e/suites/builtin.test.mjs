import { browserSuite } from './browser.mjs';

browserSuite('the built-in provider', null);
