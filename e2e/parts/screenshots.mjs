// Pictures for the README, taken where the suite stands on the page anyway, so that they stay
// true. Only with UPDATE_SCREENSHOTS=1, and only beside the built-in provider.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const FOLDER = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));
const SHAPES = {
  light: { width: 1280, height: 800, scheme: 'light' },
  dark: { width: 1280, height: 800, scheme: 'dark' },
  phone: { width: 390, height: 844, scheme: 'light' },
  tv: { width: 1920, height: 1080, scheme: 'dark' },
};

/** Four pictures of the page as it is: two schemes, a phone, a television. */
export async function screenshots(suite, page, name) {
  if (process.env.UPDATE_SCREENSHOTS !== '1' || suite !== 'the built-in provider') return;
  await mkdir(FOLDER, { recursive: true });
  const before = page.viewportSize();
  for (const [shape, { width, height, scheme }] of Object.entries(SHAPES)) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.screenshot({ path: join(FOLDER, `${name}-${shape}.png`), animations: 'disabled', caret: 'hide' });
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(before);
}
