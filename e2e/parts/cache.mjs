// What is expensive to make and the same in each run lives here, outside the clone.
import { homedir } from 'node:os';
import { join } from 'node:path';

export const CACHE = process.env.USHER_E2E_CACHE || join(homedir(), '.cache', 'usher-e2e');
