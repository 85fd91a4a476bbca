"""For tests: *.example.test is this machine, as --host-resolver-rules says it to Chromium."""

import socket

_lookup = socket.getaddrinfo


def _getaddrinfo(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    return _lookup("127.0.0.1" if name and name.endswith(".example.test") else host, *args, **kwargs)


socket.getaddrinfo = _getaddrinfo
