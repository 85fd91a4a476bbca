"""jellyfin-apiclient-python at BASE, from discovery to logout. Prints what it got as JSON."""

import functools
import hashlib
import json
import os
import queue
import sys
import traceback

import certifi

import names  # noqa: F401  resolves *.example.test

if os.environ.get("REQUESTS_CA_BUNDLE"):
    # The library's WebSocket asks certifi for its roots and has no option for others.
    certifi.where = lambda: os.environ["REQUESTS_CA_BUNDLE"]

import requests  # noqa: E402
from jellyfin_apiclient_python import JellyfinClient, ws_client  # noqa: E402

BASE, NAME, PASSWORD = os.environ["BASE"], os.environ["NAME"], os.environ["PASSWORD"]
COOKIE = os.environ.get("COOKIE")


def with_cookie(session):
    if COOKIE:
        session.headers["Cookie"] = COOKIE
    return session


if COOKIE:
    ws_client.websocket.WebSocketApp = functools.partial(ws_client.websocket.WebSocketApp, cookie=COOKIE)


def main():
    client = JellyfinClient()
    client.config.app("usher e2e", "1.0.0", "Device x", "e2e-apiclient")
    client.config.data["auth.ssl"] = True
    client.config.data["http.max_retries"] = 0
    client.auth.session = with_cookie(requests.Session())
    messages = queue.Queue()
    client.callback = lambda message, data: messages.put((message, data))

    found = client.auth.connect_to_address(BASE)
    if "Servers" not in found:
        sys.exit(f"discovery: {found}")
    discovery = client.auth.API.get_public_info(BASE, client.auth.session)
    wrong = client.auth.login(BASE, NAME, "not the password")
    login = client.auth.login(BASE, NAME, PASSWORD)
    state = client.authenticate(client.get_credentials(), discover=False)["State"]
    client.start(websocket=True)
    with_cookie(client.http.session)

    views = client.jellyfin.get_views()
    items = client.jellyfin.user_items(params={"Recursive": True, "IncludeItemTypes": "Movie"})
    film = items["Items"][0]
    playback = client.jellyfin.get_play_info(film["Id"], {"Name": "x"})
    ranges = []
    for wanted in ["bytes=0-99", "bytes=1000-1999", "bytes=-500", "bytes=999999999999-"]:
        answer = client.http.session.get(client.jellyfin.video_url(film["Id"]), headers={"Range": wanted})
        kept = {name: answer.headers.get(name) for name in ("content-range", "content-type", "accept-ranges")}
        ranges.append({"range": wanted, "status": answer.status_code, "length": len(answer.content),
                       "sha256": hashlib.sha256(answer.content).hexdigest(), **kept})

    events = []
    while "WebSocketConnect" not in [message for message, _ in events]:
        events.append(messages.get(timeout=10))
    client.wsc.send("SessionsStart", "0,1000")
    while "Sessions" not in [message for message, _ in events]:
        events.append(messages.get(timeout=10))
    sessions = next(data for message, data in events if message == "Sessions")
    client.wsc.send("SessionsStop")

    token = client.config.data["auth.token"]
    client.jellyfin.sessions("/Logout", "POST")
    after = client.auth.session.get(f"{BASE}/Users/Me", headers={"Authorization": f'MediaBrowser Token="{token}"'}).status_code
    print(json.dumps({
        "discovery": discovery, "wrong": wrong, "login": login, "state": state.name, "views": views, "items": items,
        "playback": playback, "ranges": ranges, "websocket": {"errors": [str(d) for m, d in events if m == "WebSocketError"], "sessions": sessions},
        "after": after,
    }))


try:
    main()
    status = 0
except BaseException:
    traceback.print_exc()
    status = 1
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)  # the library's threads know no end
