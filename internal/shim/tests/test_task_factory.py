"""An app's task factory that fails: that is the fault of one request, not of the worker."""
from __future__ import annotations

import master
import pytest
from test_same_asgi import UPGRADE, packet
from test_same_sockets import ACCEPT, inbound

OPEN = 1

CODE = """
import asyncio

def once(loop, coro, **more):
    loop.set_task_factory(None)
    raise KeyError("no task")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError("none")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    if scope["path"] == "/break":
        asyncio.get_running_loop().set_task_factory(once)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})
"""


@pytest.fixture(params=[(name, loop) for name in master.implementations("asgi") for loop in ("asyncio", "uvloop")])
def worker(request):
    name, loop = request.param
    one = master.Worker("wsgi_app:app", CODE, cls="asgi", implementation=name, asgi_loop=loop, graceful_timeout=8)
    yield one
    one.close()


def await_log(worker, text: str) -> None:
    while text not in worker.log()[1]:
        pass


def test_a_request_fails_alone(worker):
    for id in (1, 11):
        worker.lane.put(packet("/break", id=id))
        assert worker.answer(id).body == b"x"
        worker.lane.put(packet("/", id=id + 1))
        assert worker.answer(id + 1).failed
        await_log(worker, "KeyError: 'no task'")
        worker.lane.put(packet("/", id=id + 2))
        assert worker.answer(id + 2).body == b"x"
    master.until(lambda: not worker.running())


def test_a_socket_that_was_given_fails_alone(worker):
    worker.lane.put(packet("/break", id=1))
    assert worker.answer(1).body == b"x"
    worker.responses.sendall(inbound(OPEN, 2, packet("/", flags=UPGRADE, id=2)) + inbound(OPEN, 3, packet("/", flags=UPGRADE, id=3)))
    assert worker.answer(2).failed
    await_log(worker, "KeyError: 'no task'")
    assert worker.frame(3).kind == ACCEPT
    assert worker.running() == [3]
