// The stand-in's page. It does what the real web client does, in small: it finds the server it came
// from, signs in, keeps the token in localStorage under the same names, opens the socket, plays.

const byId = (id) => document.getElementById(id);

// The page lies at <base>/web/, the API at <base>.
const base = location.pathname.slice(0, location.pathname.toLowerCase().lastIndexOf("/web"));
const address = location.origin + base;

const tab = "tab " + Math.random().toString(36).slice(2, 5);
const ticksPerSecond = 10_000_000;

let server = null; // what /System/Info/Public said
let signedIn = null; // { token, name }
let film = null; // the item on the screen

// --- identity -------------------------------------------------------------------------------

function deviceId() {
  const known = localStorage.getItem("_deviceId2");
  if (known) return known;
  const made = btoa(`${navigator.userAgent}|${Date.now()}`).replaceAll("=", "1");
  localStorage.setItem("_deviceId2", made);
  return made;
}

function deviceName() {
  const agent = navigator.userAgent;
  const found = ["Edg", "Firefox", "Chrome", "Safari"].find((name) => agent.includes(name));
  return found === "Edg" ? "Edge" : found ?? "Browser";
}

function authorization(token) {
  const fields = {
    Client: "Stand-in Web", Device: deviceName(), DeviceId: deviceId(), Version: "1.0", Token: token ?? "",
  };
  const pairs = Object.entries(fields).map(([key, value]) => `${key}="${encodeURIComponent(value)}"`);
  return `MediaBrowser ${pairs.join(", ")}`;
}

function storedToken() {
  try {
    const servers = JSON.parse(localStorage.getItem("jellyfin_credentials") ?? "{}").Servers ?? [];
    return servers.find((entry) => entry.Id === server.Id && entry.ManualAddress === address)?.AccessToken;
  } catch {
    return undefined; // something else wrote there
  }
}

function storeToken(result) {
  const entry = {
    Id: server.Id, Name: server.ServerName, ManualAddress: address, LastConnectionMode: 2,
    manualAddressOnly: true, DateLastAccessed: Date.now(),
    UserId: result.User.Id, AccessToken: result.AccessToken,
  };
  localStorage.setItem("jellyfin_credentials", JSON.stringify({ Servers: [entry] }));
}

// --- talking to the server ------------------------------------------------------------------

class Refused extends Error {
  constructor(status, path) {
    super(`${path} answered ${status}`);
    this.status = status;
  }
}

async function call(method, path, body, token = signedIn?.token) {
  const headers = { Authorization: authorization(token), Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(base + path, {
    method, headers, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Refused(answer.status, path);
  const type = answer.headers.get("Content-Type") ?? "";
  return type.includes("application/json") ? answer.json() : undefined;
}

const get = (path, token) => call("GET", path, undefined, token);
const post = (path, body, token) => call("POST", path, body, token);

// --- signing in -----------------------------------------------------------------------------

async function signIn() {
  const token = storedToken();
  if (token) {
    try {
      const me = await get("/Users/Me", token);
      return { token, name: me.Name };
    } catch (refusal) {
      if (refusal.status !== 401) throw refusal;
    }
  }
  // The sign-in page of a real server lists people too; here the first one needs no password.
  const [listed] = await get("/Users/Public", "");
  if (listed) {
    try {
      return await signInAs(listed.Name, "");
    } catch (refusal) {
      if (refusal.status !== 401) throw refusal;
    }
  }
  return askForPassword();
}

async function signInAs(name, password) {
  const result = await post("/Users/AuthenticateByName", { Username: name, Pw: password }, "");
  storeToken(result);
  return { token: result.AccessToken, name: result.User.Name };
}

function askForPassword() {
  byId("sign-in").hidden = false;
  byId("sign-in-name").focus();
  return new Promise((resolve) => {
    byId("sign-in-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        resolve(await signInAs(byId("sign-in-name").value, byId("sign-in-password").value));
        byId("sign-in").hidden = true;
      } catch (refusal) {
        tell("refused", `sign-in refused (${refusal.status ?? "no answer"})`);
      }
    });
  });
}

// Two tabs that sign in at once would end each other's token: one after the other.
const oneAtATime = (work) => (navigator.locks ? navigator.locks.request("stand-in sign-in", work) : work());

// --- the film -------------------------------------------------------------------------------

function put(item) {
  film = item;
  const query = new URLSearchParams({ static: "true", mediaSourceId: item.Id, ApiKey: signedIn.token });
  const video = byId("film");
  video.poster = poster(item);
  video.src = `${base}/Videos/${item.Id}/stream.mp4?${query}`;
  byId("film-title").textContent = item.Name;
  byId("play").disabled = byId("skip").disabled = false;
}

const poster = (item) => `${base}/Items/${item.Id}/Images/Primary?tag=${item.ImageTags.Primary}`;

async function listFilms() {
  const { Items } = await get("/Items?recursive=true&includeItemTypes=Movie");
  byId("films").replaceChildren(...Items.map((item) => {
    const picture = Object.assign(new Image(), { src: poster(item), alt: "" });
    const name = Object.assign(document.createElement("span"), { textContent: item.Name });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(picture, name);
    button.addEventListener("click", () => {
      put(item);
      play();
    });
    const entry = document.createElement("li");
    entry.append(button);
    return entry;
  }));
  if (Items.length > 0) put(Items[0]);
}

async function play() {
  const video = byId("film");
  try {
    await video.play();
  } catch {
    video.muted = true; // a browser that lets nothing sound before a click
    await video.play().catch(() => {});
  }
}

function report(what) {
  if (!film || !signedIn) return;
  const video = byId("film");
  const state = {
    ItemId: film.Id, MediaSourceId: film.Id, CanSeek: true, IsPaused: video.paused, IsMuted: video.muted,
    PlayMethod: "DirectPlay", PositionTicks: Math.round(video.currentTime * ticksPerSecond),
  };
  post(`/Sessions/Playing${what}`, state).catch(refused);
}

function watchTheFilm() {
  const video = byId("film");
  let told = false;
  video.addEventListener("playing", () => {
    report(told ? "/Progress" : "");
    told = true;
    byId("play").textContent = "Pause";
  });
  video.addEventListener("pause", () => {
    report("/Progress");
    byId("play").textContent = "Play";
  });
  video.addEventListener("seeked", () => told && report("/Progress"));
  video.addEventListener("ended", () => {
    report("/Stopped");
    told = false;
  });
  video.addEventListener("error", () => add("the film does not play", "problem"));
  setInterval(() => told && !video.paused && report("/Progress"), 10_000);
  byId("play").addEventListener("click", () => (video.paused ? play() : video.pause()));
  byId("skip").addEventListener("click", () => {
    video.currentTime = Math.min(video.currentTime + 30, (video.duration || 31) - 1);
  });
}

// --- the socket -----------------------------------------------------------------------------

let pause = 1_000;

function openSocket() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}${base}/socket?ApiKey=${signedIn.token}`);
  let keepAlive;
  const say = (MessageType, Data) => socket.send(JSON.stringify({ MessageType, Data }));
  socket.addEventListener("open", () => {
    pause = 1_000;
    tell("live", "live");
    byId("send-message").disabled = false;
    say("SessionsStart", "0,1000");
  });
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.MessageType === "ForceKeepAlive") {
      clearInterval(keepAlive);
      keepAlive = setInterval(() => say("KeepAlive"), message.Data * 500);
    }
    hear(message);
  });
  socket.addEventListener("close", () => {
    clearInterval(keepAlive);
    byId("send-message").disabled = true;
    tell("cut", "the live connection is cut");
    setTimeout(reopen, pause);
    pause = Math.min(pause * 1.5, 60_000);
  });
}

// A refused handshake looks like a lost one to a page; asking tells them apart.
async function reopen() {
  try {
    await get("/Users/Me");
    openSocket();
  } catch (refusal) {
    if (refusal.status) return refused(refusal);
    setTimeout(reopen, pause);
    pause = Math.min(pause * 1.5, 60_000);
  }
}

function hear({ MessageType, Data }) {
  switch (MessageType) {
    case "ForceKeepAlive": return add("connected");
    case "KeepAlive": return;
    case "Sessions": return showSessions(Data);
    case "UserDataChanged": return add("a place in the film was kept");
    case "GeneralCommand": return command(Data);
    case "Play": return play();
    case "Playstate": return playstate(Data);
    default: return add(MessageType);
  }
}

function command({ Name, Arguments }) {
  if (Name !== "DisplayMessage") return add(Name);
  if (Arguments.Header !== tab) add(`${Arguments.Header}: ${Arguments.Text}`, "message");
}

function playstate({ Command, SeekPositionTicks }) {
  const video = byId("film");
  if (Command === "Pause" || Command === "Stop") video.pause();
  if (Command === "Unpause") play();
  if (Command === "PlayPause") video.paused ? play() : video.pause();
  if (Command === "Seek") video.currentTime = SeekPositionTicks / ticksPerSecond;
  add(Command);
}

async function sendMessage(event) {
  event.preventDefault();
  const Text = byId("message-text").value.trim();
  if (!Text) return;
  const message = { Header: tab, Text, TimeoutMs: 5000 };
  try {
    const sessions = await get("/Sessions");
    await Promise.all(sessions.map(({ Id }) => post(`/Sessions/${Id}/Message`, message)));
    add(`sent: ${Text}`, "sent");
  } catch (refusal) {
    refused(refusal);
  }
}

// --- what is shown --------------------------------------------------------------------------

function tell(state, words) {
  const status = byId("status");
  status.dataset.state = state;
  status.textContent = words;
}

function add(words, kind = "event") {
  const entry = document.createElement("li");
  entry.dataset.kind = kind;
  const time = Object.assign(document.createElement("time"), { textContent: new Date().toLocaleTimeString() });
  entry.append(time, " ", words);
  const events = byId("events");
  events.prepend(entry);
  while (events.children.length > 100) events.lastChild.remove();
}

let shown = new Map();

// A session outlives its tab; the one with a socket is here.
function showSessions(all) {
  const sessions = all.filter((session) => session.SupportsRemoteControl);
  const now = new Map(sessions.map((session) => [session.Id, describe(session)]));
  for (const [id, { name, doing }] of now) {
    if (shown.get(id)?.doing !== doing) add(`${name} ${doing}`, "session");
  }
  for (const [id, { name }] of shown) {
    if (!now.has(id)) add(`${name} has left`, "session");
  }
  shown = now;
  byId("watching").replaceChildren(...sessions.map((session) => {
    const { name, doing, where } = describe(session);
    const entry = document.createElement("li");
    const small = Object.assign(document.createElement("small"), { textContent: where });
    entry.append(`${name} ${doing}`, small);
    return entry;
  }));
}

function describe({ UserName, Client, DeviceName, RemoteEndPoint, NowPlayingItem, PlayState }) {
  const doing = NowPlayingItem
    ? `${PlayState.IsPaused ? "has paused" : "watches"} ${NowPlayingItem.Name}`
    : "is here";
  const where = [Client, DeviceName, RemoteEndPoint].filter(Boolean).join(" · ");
  return { name: UserName, doing, where };
}

function refused(refusal) {
  const words = refusal.status
    ? `refused (${refusal.status}); reload the page to sign in again`
    : "no answer";
  tell("refused", words);
}

// A remote control has four arrows: they walk through what can be focused. Beside text and the
// film's own left and right they leave everything as it is.
function walk(event) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight";
  if (!step || (sideways && event.target.closest("input, video"))) return;
  const all = [...document.querySelectorAll("button:enabled, input, video")].filter((element) => element.offsetParent);
  const next = all.indexOf(document.activeElement) + step;
  all[(next + all.length) % all.length]?.focus();
  event.preventDefault();
}

async function start() {
  document.addEventListener("keydown", walk);
  byId("message-form").addEventListener("submit", sendMessage);
  watchTheFilm();
  try {
    server = await get("/System/Info/Public", "");
    signedIn = await oneAtATime(signIn);
    byId("session-user").textContent = signedIn.name;
    await listFilms();
    openSocket();
  } catch (refusal) {
    refused(refusal);
  }
}

start();
