// @jellyfin/sdk at BASE as an app without a password: it shows a code, is somebody's, and then nobody's.
// Prints a line of JSON for each.
import './names.mjs';
import axios from 'axios';
import { Jellyfin } from '@jellyfin/sdk';
import { getAuthenticationApi } from '@jellyfin/sdk/lib/utils/api/authentication-api.js';
import { getImageApi } from '@jellyfin/sdk/lib/utils/api/image-api.js';
import { getLibraryApi } from '@jellyfin/sdk/lib/utils/api/library-api.js';
import { getMediaInfoApi } from '@jellyfin/sdk/lib/utils/api/media-info-api.js';
import { getSessionApi } from '@jellyfin/sdk/lib/utils/api/session-api.js';
import { getUserApi } from '@jellyfin/sdk/lib/utils/api/user-api.js';
import { getUserViewApi } from '@jellyfin/sdk/lib/utils/api/user-view-api.js';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

// The library takes the platform's WebSocket; this one also tells when it got none.
let refuse = () => {};
const refused = new Promise((resolve) => { refuse = resolve; });
globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url);
    this.on('unexpected-response', (request, answer) => { request.destroy(); refuse(answer.statusCode); });
    this.on('error', () => {}); // a refusal is one
  }
};

const jellyfin = new Jellyfin({ clientInfo: { name: 'sdk e2e', version: '1.0.0' }, deviceInfo: { name: 'TV "x" ü', id: 'let-in-sdk' } });
const [found] = await jellyfin.discovery.getRecommendedServers([process.env.BASE]);
if (!found.systemInfo) throw new Error(`discovery: ${JSON.stringify(found.issues.map((i) => String(i.error)))}`);
const api = jellyfin.createApi(process.env.BASE);
const authentication = getAuthenticationApi(api);
const status = (asked) => asked.then((answer) => answer.status, (error) => error.response.status);
const me = () => status(getUserApi(api).getCurrentUser());

if (!(await authentication.getQuickConnectEnabled()).data) throw new Error('no Quick Connect');
const { Code: code, Secret: secret } = (await authentication.initiateQuickConnect()).data;
say({ stranger: await me(), code });
while (!(await authentication.getQuickConnectState({ secret })).data.Authenticated) await pause(1000);
const { User: user, AccessToken: token } = (await authentication.authenticateWithQuickConnect({ quickConnectDto: { Secret: secret } })).data;

const views = (await getUserViewApi(api).getUserViews({ userId: user.Id })).data.Items.length;
const [film] = (await getLibraryApi(api).getItems({ userId: user.Id, recursive: true, includeItemTypes: ['Movie'] })).data.Items;
const poster = await axios.get(getImageApi(api).getItemImageUrlById(film.Id), { responseType: 'arraybuffer' });
const playback = (await getMediaInfoApi(api).getPlaybackInfo({ itemId: film.Id, userId: user.Id })).data;
const [source] = playback.MediaSources;
const part = (range) => axios.get(api.getUri(`/Videos/${film.Id}/stream`, { static: true, mediaSourceId: source.Id }), {
  headers: { Range: range, Authorization: api.authorizationHeader }, responseType: 'arraybuffer', validateStatus: () => true,
});
const [start, sought] = [await part('bytes=0-999'), await part('bytes=100000-100499')];

const session = getSessionApi(api);
const heard = new Promise((resolve) => {
  const watching = ({ Data }) => Data.find((one) => one.DeviceId === 'let-in-sdk' && one.PlayState?.PositionTicks === 50_000_000);
  api.subscribe(['Sessions'], (message) => { if (watching(message)) resolve(); });
});
const at = { ItemId: film.Id, MediaSourceId: source.Id, PlaySessionId: playback.PlaySessionId };
await session.reportPlaybackStart({ playbackStartInfo: { ...at, PositionTicks: 0 } });
await session.reportPlaybackProgress({ playbackProgressInfo: { ...at, PositionTicks: 50_000_000 } });
await heard;
say({
  name: user.Name, token, views, film: film.Name, poster: poster.headers['content-type'],
  parts: [start, sought].map((answer) => [answer.status, answer.data.length]),
});

// It subscribed: where its socket is closed it asks for another.
say({ refused: await refused, me: await me(), part: (await part('bytes=0-999')).status });
process.exit(0);

function say(what) {
  console.log(JSON.stringify(what));
}
