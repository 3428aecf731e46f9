"""Memory that is short for some allocations only, one after the other: each request has its answer,
or fails, and the worker goes on. The app asks for it by _testcapi, as CPython's own tests do."""
from __future__ import annotations

from importlib.util import find_spec

import master
import pytest

# Allocations after the app's own; the answers of two requests take fewer. Some builds of Python have no _testcapi.
MOST = 130 if find_spec("_testcapi") else 0

APP = """
try:
    import _testcapi
except ImportError:
    _testcapi = None
def app(environ, start_response):
    if _testcapi: _testcapi.remove_mem_hooks()
    kind, _, window = environ["PATH_INFO"].lstrip("/").partition("/")
    if kind == "list":
        start_response("200 OK", [("X-A", "b")])
        blocks = [b"a" * 100]
        if window: short(window)
        return blocks
    if kind == "stream":
        start_response("200 OK", [])
        return Blocks(window)
    if kind == "raises":
        error = ValueError("the app's own")
        if window: short(window)
        raise error
    if kind == "bare":
        if window: short(window)
        start_response("200 OK", [("X-A", "b")])
        return [b"whole"]
    start_response("200 OK", [("Content-Length", "4")])
    return [b"good"]
def short(window):
    start, count = map(int, window.split("-"))
    _testcapi.set_nomemory(start, start + count)
class Blocks:
    def __init__(self, window):
        self.window, self.left = window, 3
    def __iter__(self):
        return self
    def __next__(self):
        if self.left == 2 and self.window: short(self.window)
        if not self.left: raise StopIteration
        self.left -= 1
        return b"block"
    def close(self):
        pass
"""


@pytest.mark.parametrize("count", [1, 5, 40])
@pytest.mark.parametrize("kind", ["list", "bare", "stream", "raises"])
def test_each_request_is_answered(kind, count):
    """By the shim in C, where that was built: the one in Python ends its worker where there is no memory
    to read the next request."""
    implementation = master.implementations()[-1]
    worker = master.Worker("wsgi_app:app", APP, implementation=implementation)
    try:
        for at in range(MOST if implementation == "native" else 0):
            answer = worker.get(f"/{kind}/{at}-{count}")
            assert answer.failed or answer.body in (b"a" * 100, b"whole", b"block" * 3)
            for _ in range(2):
                answer = worker.get("/good")
                assert answer.failed or answer.body == b"good", at
        assert worker.get("/good").body == b"good"
        assert worker.drain() == 0
    finally:
        worker.close()
