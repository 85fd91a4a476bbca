// A film that no browser buffers whole: 60 s at 3 Mbit/s with a constant rate, over 20 MB. Test
// pattern and tone, made here, so that there is nothing to license and nothing to download.
import { existsSync } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE } from './cache.mjs';
import { run } from './process.mjs';

export const FILM_SECONDS = 60;

/** The film's path; made where it is missing. */
export async function film() {
  const file = join(CACHE, 'film-60s-3M-v1.mp4');
  if (existsSync(file)) return file;
  await mkdir(CACHE, { recursive: true });
  const draft = join(CACHE, `film-${process.pid}.mp4`);
  await run('ffmpeg', ['-v', 'error', '-y',
    '-f', 'lavfi', '-i', `testsrc2=size=1280x720:rate=24:duration=${FILM_SECONDS}`,
    '-f', 'lavfi', '-i', `sine=frequency=440:duration=${FILM_SECONDS}`,
    '-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '48',
    '-b:v', '3M', '-minrate', '3M', '-maxrate', '3M', '-bufsize', '3M', '-x264-params', 'nal-hrd=cbr',
    '-c:a', 'aac', '-b:a', '64k', '-movflags', '+faststart', '-map_metadata', '-1', draft]);
  if ((await stat(draft)).size < 20e6) throw new Error('the film came out smaller than 20 MB');
  await rename(draft, file);
  return file;
}
