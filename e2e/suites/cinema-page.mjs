// The stand-in's web page, as a person uses it.
import assert from 'node:assert/strict';
import { until } from '../parts/process.mjs';

/** Waits until the page has signed in to the stand-in, lists films and hears live events. */
export async function isLive(page) {
  await page.locator('#status[data-state=live]').waitFor();
  await page.locator('#films img').first().evaluate((image) => image.decode());
}

/** Presses play and sees that time goes on in a picture that is there. */
export async function play(page) {
  await page.click('#play');
  await page.waitForFunction(() => document.querySelector('#film').currentTime > 1);
  const before = await now(page);
  await page.waitForFunction((then) => document.querySelector('#film').currentTime > then + 0.5, before.time);
  const after = await now(page);
  assert.ok(after.width > 0 && !after.paused && after.error === null, JSON.stringify(after));
}

/** Goes to a second of the film; what the answer that this needs began at. */
export async function seek(page, second) {
  const answered = page.waitForResponse((answer) => {
    const range = answer.request().headers().range;
    return answer.url().includes('/stream') && range !== undefined && range !== 'bytes=0-' && answer.status() === 206;
  });
  await page.evaluate((to) => { document.querySelector('#film').currentTime = to; }, second);
  const answer = await answered;
  const [, first] = answer.headers()['content-range'].match(/^bytes (\d+)-\d+\/\d+$/);
  await page.waitForFunction((to) => {
    const video = document.querySelector('#film');
    return !video.seeking && video.currentTime > to && video.readyState >= 2;
  }, second);
  return { first: Number(first), status: answer.status() };
}

/**
 * Opens the page and sees events go up and come down on its socket. `handshake` is the status of
 * the opening answer: 101 for an upgrade, 200 for an extended CONNECT (RFC 8441 §4).
 */
export async function events(page, url) {
  const wire = await page.context().newCDPSession(page);
  await wire.send('Network.enable');
  const shaken = new Promise((resolve) => wire.once('Network.webSocketHandshakeResponseReceived', (event) => resolve(event.response.status)));
  const sent = [], received = [];
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => sent.push(JSON.parse(payload).MessageType));
    socket.on('framereceived', ({ payload }) => received.push(JSON.parse(payload).MessageType));
  });
  await page.goto(url);
  await isLive(page);
  // The stand-in sends Sessions only to who has asked for them: this shows both ways.
  await until('session events', () => sent.includes('SessionsStart') && received.includes('Sessions'));
  received.length = 0;
  await page.click('#send-message');
  await until('a message to every tab', () => received.includes('GeneralCommand'));
  return { handshake: await shaken };
}

function now(page) {
  return page.evaluate(() => {
    const film = document.querySelector('#film');
    return { time: film.currentTime, width: film.videoWidth, paused: film.paused, error: film.error?.message ?? null };
  });
}
