"""For `cargo xtask suites`.

serve ECHO DOOR TLS: a WebSocket server that says everything back, and a port in the clear that
leads to a port with TLS, since kosoku speaks none.
compare DIRECT THROUGH: two reports of kosoku; fails where a case ended in another way.
"""

import asyncio
import collections
import json
import pathlib
import ssl
import sys


async def serve(echo_port, door_port, tls_port):
    from websockets.asyncio.server import serve as websockets

    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE

    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    async def door(reader, writer):
        to = await asyncio.open_connection(
            "127.0.0.1", tls_port, ssl=unverified, server_hostname="localhost"
        )
        await asyncio.gather(pump(reader, to[1]), pump(to[0], writer))

    async with websockets(echo, "127.0.0.1", echo_port, max_size=None):
        async with await asyncio.start_server(door, "127.0.0.1", door_port):
            await asyncio.Future()


async def pump(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass  # the other side learns of it when this one is closed
    finally:
        writer.close()


# Reserved bits and opcodes fail a connection right after a message: whether its echo is still read
# is luck, without usher as with it. Autobahn calls one OK and the other NON-STRICT, and takes both.
LUCK = ("3.", "4.")
BOTH_PASS = ("OK", "NON-STRICT")


def differs(case, direct, through):
    if direct == through:
        return False
    if None in (direct, through) or not case.startswith(LUCK):
        return True
    return direct[1] != through[1] or not {direct[0], through[0]} <= set(BOTH_PASS)


def compare(*folders):
    direct, through = (report(folder) for folder in folders)
    other = [
        f"{case}: {direct.get(case)} directly, {through.get(case)} through usher"
        for case in sorted(direct.keys() | through.keys())
        if differs(case, direct.get(case), through.get(case))
    ]
    if other or len(direct) < 200:
        sys.exit("\n".join([f"{len(direct)} cases ran", *other]))
    ends = collections.Counter(behaviour for behaviour, _ in through.values())
    ends = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    print(f"{len(through)} cases, each as without usher: {ends}")


def report(folder):
    (cases,) = json.loads((pathlib.Path(folder) / "index.json").read_text()).values()
    return {case: (end["behavior"], end["behaviorClose"]) for case, end in cases.items()}


match sys.argv[1:]:
    case ["serve", *ports]:
        asyncio.run(serve(*map(int, ports)))
    case ["compare", *folders]:
        compare(*folders)
    case _:
        sys.exit(__doc__)
