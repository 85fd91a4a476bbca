// Pictures for the README, taken where the suite stands on the page anyway, so that they stay
// true. Only with UPDATE_SCREENSHOTS=1, and only of the suites in KEPT.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const README = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url));
const KEPT = ['the built-in provider', 'the guide'];
const LOOK = fileURLToPath(new URL('../out/screenshots/', import.meta.url)); // to look at; not kept
const SHAPES = {
  light: { width: 1280, height: 800, scheme: 'light', folder: README },
  dark: { width: 1280, height: 800, scheme: 'dark', folder: LOOK },
  phone: { width: 390, height: 844, scheme: 'light', folder: LOOK },
  tv: { width: 1920, height: 1080, scheme: 'dark', folder: LOOK },
};

/** Four pictures of the page as it is: two schemes, a phone, a television. */
export async function screenshots(suite, page, name) {
  if (process.env.UPDATE_SCREENSHOTS !== '1' || !KEPT.includes(suite)) return;
  for (const folder of [README, LOOK]) await mkdir(folder, { recursive: true });
  const before = page.viewportSize();
  for (const [shape, { width, height, scheme, folder }] of Object.entries(SHAPES)) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.screenshot({ path: join(folder, `${suite === 'the guide' ? 'guide-' : ''}${name}-${shape}.png`), animations: 'disabled', caret: 'hide' });
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(before);
}
