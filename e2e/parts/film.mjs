// A film that no browser buffers whole: the stand-in's own, twice, at a constant 3 Mbit/s, which
// makes more than 20 MB. Made here, so that nothing is downloaded and the clone stays small.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE } from './cache.mjs';
import { run } from './process.mjs';

const SOURCE = fileURLToPath(new URL('../../crates/cinema/assets/film.mp4', import.meta.url));
const SECONDS = 60;

/** The film's path; made where it is missing. Its name is the title that the stand-in shows. */
export async function film() {
  const hash = createHash('sha256').update(await readFile(SOURCE)).digest('hex').slice(0, 16);
  const folder = join(CACHE, `film-${SECONDS}s-3M-${hash}`);
  const file = join(folder, 'The Stand-in.mp4');
  if (existsSync(file)) return file;
  const work = join(CACHE, `film-new-${process.pid}`);
  await mkdir(work, { recursive: true });
  try {
    const draft = join(work, 'The Stand-in.mp4');
    await run('ffmpeg', ['-v', 'error', '-y', '-stream_loop', '1', '-i', SOURCE, '-t', String(SECONDS), '-s', '1280x720',
      '-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '48',
      '-b:v', '3M', '-minrate', '3M', '-maxrate', '3M', '-bufsize', '3M', '-x264-params', 'nal-hrd=cbr',
      '-c:a', 'aac', '-b:a', '64k', '-movflags', '+faststart', '-map_metadata', '-1', draft]);
    if ((await stat(draft)).size < 20e6) throw new Error('the film came out smaller than 20 MB');
    await rm(folder, { recursive: true, force: true });
    await rename(work, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return file;
}
