"""Memory that is short for some allocations only, one after the other: each request has its answer,
or fails, and the worker goes on. The app asks for it by _testcapi, as CPython's own tests do."""
from __future__ import annotations

from importlib.util import find_spec

import master
import pytest
from test_same_asgi import HEAD, packet

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


LOOP_APP = """
import asyncio, resource, sys

async def app(scope, receive, send):
    if scope["path"] == "/limit":
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + (32 << 20),) * 2)
    if scope["path"] == "/waits":
        shim = sys.modules["_girin_shim.asgi.accelerated"].AcceleratedIntake  # of the shim in C
        usual, shim.current_task = shim.current_task, staticmethod(short)
        try:
            await asyncio.sleep(0)
        finally:
            shim.current_task = usual
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"good"})

def short():
    raise MemoryError
"""


@pytest.fixture(params=master.implementations("asgi"))
def loop(request):
    worker = master.Worker("wsgi_app:app", LOOP_APP, cls="asgi", implementation=request.param, arena=128 << 20, asgi_loop="asyncio", lifespan="off")
    yield worker
    worker.close()


def asked(worker, path: str, in_arena: int = 0):
    worker.next_id += 1
    whole = packet(path, id=worker.next_id, flags=master.IN_ARENA if in_arena else 0)
    if in_arena:
        form, flags, base, _, window, id, block, _, _ = HEAD.unpack_from(whole)
        at = master.FLAG_TABLE + 64
        worker.arena.map[at : at + block] = whole[HEAD.size :]
        whole = HEAD.pack(form, flags, base, 0, window, id, block, in_arena, at)
    worker.lane.put(whole)
    return worker.answer(worker.next_id)


def test_a_loop_without_memory_for_one_request_serves_the_others(loop):
    assert asked(loop, "/limit").body == b"good"
    assert asked(loop, "/large", 100 << 20).failed
    assert "no memory for a request" in loop.log()[1]
    assert asked(loop, "/small").body == b"good"


@pytest.mark.parametrize("loop", master.implementations("asgi")[-1:], indirect=True)
def test_a_request_that_cannot_wait_fails(loop):
    assert asked(loop, "/waits").failed
    assert "MemoryError" in loop.log()[1]
    assert asked(loop, "/small").body == b"good"
