"""jellyfin-apiclient-python at BASE as somebody's app: it shows a code, or signs in as NAME with the app
password PASSWORD; then it is somebody's, and then nobody's. Prints a line of JSON for each."""

import json
import os
import queue
import sys
import time
import traceback

import certifi

import names  # noqa: F401  resolves *.example.test

# The library's WebSocket asks certifi for its roots and has no option for others.
certifi.where = lambda: os.environ["REQUESTS_CA_BUNDLE"]

import requests  # noqa: E402
from jellyfin_apiclient_python import JellyfinClient  # noqa: E402
from jellyfin_apiclient_python.exceptions import HTTPException  # noqa: E402

BASE, DEVICE = os.environ["BASE"], os.environ.get("DEVICE", "let-in-apiclient")
NAME, PASSWORD = os.environ.get("NAME"), os.environ.get("PASSWORD")


def say(what):
    print(json.dumps(what), flush=True)


def main():
    client = JellyfinClient()
    client.config.app("apiclient e2e", "1.0.0", "Desk x", DEVICE)
    client.config.data["auth.ssl"] = True
    client.config.data["http.max_retries"] = 0
    client.auth.session = requests.Session()
    events = queue.Queue()
    client.callback = lambda message, data: events.put((message, data))

    found = client.auth.connect_to_address(BASE)
    if "Servers" not in found:
        sys.exit(f"discovery: {found}")
    stranger = client.auth.session.get(f"{BASE}/Users/Me", headers=client.auth.API.get_default_headers()).status_code
    if PASSWORD:
        wrong = bool(client.auth.login(BASE, NAME, "not the password"))
        say({"stranger": stranger, "wrong": wrong, "signed": bool(client.auth.login(BASE, NAME, PASSWORD))})
    else:
        show_code(client, stranger)
    client.authenticate(client.get_credentials(), discover=False)
    client.start(websocket=True)

    jellyfin = client.jellyfin
    views = len(jellyfin.get_views()["Items"])
    film = jellyfin.user_items(params={"Recursive": True, "IncludeItemTypes": "Movie"})["Items"][0]
    # What it makes addresses for is asked by a player of its own.
    poster = requests.get(jellyfin.artwork(film["Id"], "Primary", 300))
    playback = jellyfin.get_play_info(film["Id"], {"Name": "x"})
    source = playback["MediaSources"][0]["Id"]
    parts = [part(jellyfin.video_url(film["Id"], source), wanted) for wanted in ("bytes=0-999", "bytes=100000-100499")]
    at = {"ItemId": film["Id"], "MediaSourceId": source, "PlaySessionId": playback["PlaySessionId"]}
    jellyfin.session_playing({**at, "PositionTicks": 0})
    jellyfin.session_progress({**at, "PositionTicks": 50_000_000})

    until(events, lambda message, data: message == "WebSocketConnect")
    client.wsc.send("SessionsStart", "0,1000")
    until(events, lambda message, data: message == "Sessions" and any(
        one["DeviceId"] == DEVICE and one.get("PlayState", {}).get("PositionTicks") == 50_000_000 for one in data["value"]))
    say({"name": jellyfin.get_user()["Name"], "token": client.config.data["auth.token"], "views": views,
         "film": film["Name"], "poster": poster.headers["content-type"], "parts": parts})

    # Where its socket is closed it asks for another at once, and again: it is told that it may not.
    refused = until(events, lambda message, data: message == "WebSocketError" and getattr(data, "status_code", None) == 401)
    client.wsc.stop = True
    video = jellyfin.video_url(film["Id"], source)
    try:
        after = jellyfin.get_user()
    except HTTPException as error:
        after = error.status
    again = bool(client.auth.login(BASE, NAME, PASSWORD)) if PASSWORD else None
    say({"refused": refused.status_code, "me": after, "part": part(video, "bytes=0-999")[0], "again": again})


def show_code(client, stranger):
    """Until somebody says yes to it."""
    api = client.auth.API
    if not api.quick_connect_enabled(BASE, client.auth.session):
        sys.exit("no Quick Connect")
    begun = api.quick_connect_initiate(BASE, client.auth.session)
    say({"stranger": stranger, "code": begun["Code"]})
    while not api.quick_connect_state(BASE, begun["Secret"], client.auth.session)["Authenticated"]:
        time.sleep(1)
    if not client.auth.login_with_quick_connect(BASE, begun["Secret"]):
        sys.exit("the secret was not taken")


def part(url, wanted):
    answer = requests.get(url, headers={"Range": wanted})
    return [answer.status_code, len(answer.content)]


def until(events, is_it):
    """What comes with the next event of that kind."""
    while True:
        message, data = events.get(timeout=30)
        if is_it(message, data):
            return data


try:
    main()
    status = 0
except BaseException:
    traceback.print_exc()
    status = 1
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)  # the library's threads know no end
