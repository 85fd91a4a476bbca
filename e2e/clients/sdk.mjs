// @jellyfin/sdk at BASE, from discovery to logout. Prints what it got as one JSON object.
import './names.mjs';
import axios from 'axios';
import { createHash } from 'node:crypto';
import { Jellyfin } from '@jellyfin/sdk';
import { getLibraryApi } from '@jellyfin/sdk/lib/utils/api/library-api.js';
import { getMediaInfoApi } from '@jellyfin/sdk/lib/utils/api/media-info-api.js';
import { getUserApi } from '@jellyfin/sdk/lib/utils/api/user-api.js';
import { getUserViewApi } from '@jellyfin/sdk/lib/utils/api/user-view-api.js';
import { WebSocket } from 'ws';

const { BASE, COOKIE, NAME, PASSWORD } = process.env;
const cookie = COOKIE ? { Cookie: COOKIE } : {};

// The transport's own ways to add a header: an interceptor for HTTP, an option for WebSockets.
axios.interceptors.request.use((request) => { request.headers.set(cookie); return request; });
const frames = [];
globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url, { headers: cookie });
    this.on('message', (data) => frames.push(JSON.parse(data)));
    this.on('open', () => frames.push({ MessageType: 'open' }));
  }
};

const jellyfin = new Jellyfin({
  clientInfo: { name: 'usher e2e', version: '1.0.0' },
  deviceInfo: { name: 'Device "x" ü', id: 'e2e-sdk' },
});
const [found] = await jellyfin.discovery.getRecommendedServers([BASE]);
if (!found.systemInfo) throw new Error(`discovery: ${JSON.stringify(found.issues.map((i) => String(i.error)))}`);
const api = jellyfin.createApi(BASE);
const wrong = await api.authenticateUserByName(NAME, 'not the password').catch((error) => error.response);
const login = (await api.authenticateUserByName(NAME, PASSWORD)).data;
api.update({ accessToken: login.AccessToken });
const me = (await getUserApi(api).getCurrentUser()).data;
const views = (await getUserViewApi(api).getUserViews({ userId: me.Id })).data;
const items = (await getLibraryApi(api).getItems({ userId: me.Id, recursive: true, includeItemTypes: ['Movie'] })).data;
const [film] = items.Items;
const playback = (await getMediaInfoApi(api).getPlaybackInfo({ itemId: film.Id, userId: me.Id })).data;
const ranges = [];
for (const range of ['bytes=0-99', 'bytes=1000-1999', 'bytes=-500', 'bytes=999999999999-']) {
  const answer = await axios.get(api.getUri(`/Videos/${film.Id}/stream`, { static: true }), {
    headers: { Range: range, Authorization: api.authorizationHeader }, responseType: 'arraybuffer', validateStatus: () => true,
  });
  ranges.push(part(range, answer.status, answer.headers, answer.data));
}
const sessions = await new Promise((resolve, reject) => {
  const late = setTimeout(() => reject(new Error(`no Sessions message; frames: ${JSON.stringify(frames)}`)), 10_000);
  const end = api.subscribe(['Sessions'], (message) => { clearTimeout(late); setTimeout(() => { end(); resolve(message); }, 0); });
});
const logout = await api.logout();
const after = await getUserApi(api).getCurrentUser().catch((error) => error.response);
api.update({ accessToken: '' });

console.log(JSON.stringify({
  discovery: found.systemInfo, score: found.score, wrong: wrong.status, login, me, views, items, playback, ranges,
  websocket: { first: frames.find((f) => f.MessageType !== 'open')?.MessageType, sessions },
  logout: logout.status, after: after.status,
}));
process.exit(0);

function part(range, status, headers, bytes) {
  return {
    range, status, length: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'),
    'content-range': headers['content-range'], 'content-type': headers['content-type'], 'accept-ranges': headers['accept-ranges'],
  };
}
