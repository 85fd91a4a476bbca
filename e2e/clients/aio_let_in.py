"""aiojellyfin at BASE as an app without a password: it shows a code, is somebody's, and then nobody's.
Prints a line of JSON for each. What the library has no call for, its transport asks."""

import asyncio
import json
import os
import ssl

import aiohttp
import names  # noqa: F401  resolves *.example.test
from aiojellyfin import Connection, SessionConfiguration, authenticate_by_name
from aiojellyfin.const import ImageType

BASE, DEVICE = os.environ["BASE"], "let-in-aio"


def say(what):
    print(json.dumps(what), flush=True)


async def main():
    trust = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    connector = aiohttp.TCPConnector(ssl=trust, resolver=aiohttp.ThreadedResolver())
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        config = SessionConfiguration(session=http, url=BASE, app_name="aio e2e", app_version="1.0.0",
                                      device_name="Radio x", device_id=DEVICE)
        try:
            await authenticate_by_name(config, "demo", "")
            stranger = 200
        except aiohttp.ClientResponseError as error:
            stranger = error.status
        user, token = await let_in(http, config, stranger)

        connection = Connection(config, user, token)
        views = len((await connection.get_media_folders())["Items"])
        films = await connection._session.get_json("/Items", {"Recursive": "true", "IncludeItemTypes": "Movie"})
        film = films["Items"][0]
        async with http.get(connection.artwork(film["Id"], ImageType.Primary)) as answer:
            poster = answer.content_type
        video = connection._build_url(f"/Videos/{film['Id']}/stream", {"static": "true"})
        parts = [await part(http, video, wanted) for wanted in ("bytes=0-999", "bytes=100000-100499")]
        signed = {"Authorization": config.authentication_header(token)}
        for what, ticks in (("", 0), ("/Progress", 50_000_000)):
            said = {"ItemId": film["Id"], "MediaSourceId": film["Id"], "PositionTicks": ticks}
            async with http.post(f"{BASE}/Sessions/Playing{what}", headers=signed, json=said, raise_for_status=True):
                pass
        async with http.ws_connect(f"{BASE}/socket?api_key={token}") as socket:
            await socket.send_json({"MessageType": "SessionsStart", "Data": "0,1000"})
            while not is_seen(await socket.receive_json(timeout=10)):
                pass
            me = await connection._session.get_json("/Users/Me", {})
            say({"name": me["Name"], "token": token, "views": views, "film": film["Name"], "poster": poster,
                 "parts": parts})
            over = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            while (await socket.receive(timeout=30)).type not in over:
                pass
        try:
            await connection.get_media_folders()
            after = 200
        except aiohttp.ClientResponseError as error:
            after = error.status
        try:
            async with http.ws_connect(f"{BASE}/socket?api_key={token}"):
                refused = 101
        except aiohttp.WSServerHandshakeError as error:
            refused = error.status
        say({"refused": refused, "me": after, "part": (await part(http, video, "bytes=0-999"))[0]})


async def let_in(http, config, stranger):
    """The library knows names and passwords alone; whoever it works for has the token then."""
    headers = {"Authorization": config.authentication_header()}
    async with http.post(f"{BASE}/QuickConnect/Initiate", headers=headers, raise_for_status=True) as answer:
        begun = await answer.json()
    say({"stranger": stranger, "code": begun["Code"]})
    asked = {"Authenticated": False}
    while not asked["Authenticated"]:
        await asyncio.sleep(1)
        secret = {"secret": begun["Secret"]}
        async with http.get(f"{BASE}/QuickConnect/Connect", headers=headers, params=secret, raise_for_status=True) as answer:
            asked = await answer.json()
    body = {"Secret": begun["Secret"]}
    async with http.post(f"{BASE}/Users/AuthenticateWithQuickConnect", headers=headers, json=body, raise_for_status=True) as answer:
        result = await answer.json()
    return result["User"]["Id"], result["AccessToken"]


def is_seen(message):
    """Does the library tell of what it reported?"""
    return message["MessageType"] == "Sessions" and any(
        one["DeviceId"] == DEVICE and one.get("PlayState", {}).get("PositionTicks") == 50_000_000 for one in message["Data"])


async def part(http, url, wanted):
    async with http.get(url, headers={"Range": wanted}) as answer:
        return [answer.status, len(await answer.read())]


asyncio.run(main())
