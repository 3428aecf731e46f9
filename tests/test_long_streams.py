"""Streams that last are spread over the loops, as WebSockets are."""
import collections
import contextlib
import re

import pytest

from asgi_server import serving
from test_asgi_leaving import raw

MORE = 7


def begun(s, until=rb"\r\n\d+\n") -> tuple:
    """A stream whose answer has come as far as that, and what has come."""
    sock = raw.connect(s.port)
    sock.sendall(raw.head("/events"))
    came = b""
    while not re.search(until, came):
        came += sock.recv(1000)
    return sock, came


@pytest.mark.parametrize("options", [("--no-accelerator",), ()], ids=["Python", "C"])
def test_long_streams_are_spread_over_the_loops(options):
    with serving("-w", "2", *options, app="streams:app") as s, contextlib.ExitStack() as stack:
        workers = collections.Counter()
        sock, came = begun(s, rb"(\.[^.]*){30}")  # one a twentieth of a second: it is known to last
        for _ in range(MORE + 1):
            stack.enter_context(contextlib.closing(sock))
            workers[int(re.search(rb"\r\n(\d+)\n", came)[1])] += 1
            sock, came = begun(s)
        sock.close()
        assert sorted(workers.values()) == [(MORE + 1) // 2, (MORE + 1) // 2]
