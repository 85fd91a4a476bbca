"""aiojellyfin at BASE, from discovery to logout. Prints what it got as JSON."""

import asyncio
import hashlib
import json
import os
import ssl
from http.cookies import SimpleCookie

import aiohttp
import names  # noqa: F401  resolves *.example.test
from aiojellyfin import SessionConfiguration, authenticate_by_name
from aiojellyfin.const import ImageType
from yarl import URL

BASE, NAME, PASSWORD = os.environ["BASE"], os.environ["NAME"], os.environ["PASSWORD"]
COOKIE, CA = os.environ.get("COOKIE"), os.environ.get("REQUESTS_CA_BUNDLE")


async def main():
    jar = aiohttp.CookieJar(unsafe=True)
    if COOKIE:
        jar.update_cookies(SimpleCookie(COOKIE), URL(BASE))
    trust = ssl.create_default_context(cafile=CA) if CA else True
    connector = aiohttp.TCPConnector(ssl=trust, resolver=aiohttp.ThreadedResolver())
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as http:
        config = SessionConfiguration(session=http, url=BASE, app_name="usher e2e", app_version="1.0.0",
                                      device_name="Device x", device_id="e2e-aio")
        async with http.get(f"{BASE}/System/Info/Public", raise_for_status=True) as answer:
            discovery = await answer.json()
        try:
            await authenticate_by_name(config, NAME, "not the password")
            wrong = 200
        except aiohttp.ClientResponseError as error:
            wrong = error.status
        connection = await authenticate_by_name(config, NAME, PASSWORD)
        folders = await connection.get_media_folders()
        films = await connection._session.get_json("/Items", {"Recursive": "true", "IncludeItemTypes": "Movie"})
        film = films["Items"][0]
        async with http.get(connection.artwork(film["Id"], ImageType.Primary), raise_for_status=True) as answer:
            poster = {"type": answer.content_type, "sha256": hashlib.sha256(await answer.read()).hexdigest()}
        ranges = []
        for wanted in ["bytes=0-99", "bytes=1000-1999", "bytes=-500", "bytes=999999999999-"]:
            async with http.get(connection.audio_url(film["Id"]), headers={"Range": wanted}) as answer:
                body = await answer.read()
                kept = {name: answer.headers.get(name) for name in ("content-range", "content-type", "accept-ranges")}
                ranges.append({"range": wanted, "status": answer.status, "length": len(body),
                               "sha256": hashlib.sha256(body).hexdigest(), **kept})
        websocket = await events(http, connection._access_token)
        signed = {"Authorization": config.authentication_header(connection._access_token)}
        async with http.post(f"{BASE}/Sessions/Logout", headers=signed) as answer:
            logout = answer.status
        async with http.get(f"{BASE}/Users/Me", headers=signed) as answer:
            after = answer.status
    print(json.dumps({"discovery": discovery, "wrong": wrong, "folders": folders, "films": films, "poster": poster,
                      "ranges": ranges, "websocket": websocket, "logout": logout, "after": after}))


async def events(http, token):
    """The library has no WebSocket of its own; its transport has."""
    async with http.ws_connect(f"{BASE}/socket?api_key={token}") as socket:
        first = await socket.receive_json(timeout=10)
        await socket.send_json({"MessageType": "SessionsStart", "Data": "0,1000"})
        await socket.send_json({"MessageType": "KeepAlive"})
        seen = {}
        while not {"Sessions", "KeepAlive"} <= seen.keys():
            message = await socket.receive_json(timeout=10)
            seen[message["MessageType"]] = message
        return {"first": first["MessageType"], "sessions": seen["Sessions"]}


asyncio.run(main())
