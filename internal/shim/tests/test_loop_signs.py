"""What the state page says of an event loop: since when a step holds it, or it owes a sign of life; how
many calls want its threads."""
from __future__ import annotations

import master
import pytest
from test_same_asgi import UPGRADE, packet
from test_same_sockets import ACCEPT, TEXT, TEXT_CAME, inbound

STEP, SILENT, THREADS = 5, 8, 9
OPEN = 1

CODE = """
import asyncio, time
import anyio.to_thread

wait = asyncio.Event()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError("none")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        time.sleep(1)
        await send({"type": "websocket.send", "text": "after"})
        await receive()
        return
    if scope["path"] == "/later":
        asyncio.get_running_loop().call_soon(time.sleep, 1.5)
    elif scope["path"] == "/threads":
        await anyio.to_thread.run_sync(time.sleep, 1.5)
    elif scope["path"] == "/own_threads":
        await anyio.to_thread.run_sync(time.sleep, 0.5, limiter=anyio.CapacityLimiter(1))
    elif scope["path"] == "/own_loop":
        await asyncio.to_thread(asyncio.run, anyio.to_thread.run_sync(time.sleep, 0.5))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"light" * int(scope["query_string"] or 1)})
    if scope["path"] == "/after":
        time.sleep(1.5)
"""


@pytest.fixture(params=[(name, loop) for name in master.implementations("asgi") for loop in ("asyncio", "uvloop")])
def worker(request):
    name, loop = request.param
    one = master.Worker("wsgi_app:app", CODE, cls="asgi", implementation=name, asgi_loop=loop, connections=64, graceful_timeout=8)
    yield one
    one.close()


def test_the_step_of_a_socket(worker):
    worker.responses.sendall(inbound(OPEN, 1, packet("/", flags=UPGRADE, id=1)))
    assert worker.frame(1).kind == ACCEPT
    master.until(lambda: worker.page[STEP] == 0)
    worker.responses.sendall(inbound(TEXT_CAME, 1, b"block"))
    master.until(lambda: worker.page[STEP] != 0)
    while worker.frame(1).kind != TEXT:
        pass
    master.until(lambda: worker.page[STEP] == 0)


def test_a_loop_that_no_request_holds(worker):
    """Twice: who watches goes on although there is nothing of the app's to name."""
    for id in (1, 2):
        worker.lane.put(packet("/later", id=id))
        worker.answer(id)
        master.until(lambda: worker.page[SILENT] != 0)
        worker.lane.put(packet("/", id=10 + id))
        worker.answer(10 + id)
        master.until(lambda: worker.page[SILENT] == 0)


@pytest.mark.parametrize("times", [1, 40_000])
def test_what_is_finished_goes_out_of_a_loop_that_is_held(worker, times):
    """A request of which nothing is known: nobody promotes for it."""
    worker.lane.put(packet("/after", query=b"%d" % times))
    assert len(worker.answer(1).body) == 5 * times
    assert worker.page[STEP] != 0  # the handler has not returned


def test_calls_that_want_threads(worker):
    for id in range(50):
        worker.lane.put(packet("/threads", id=1 + id))
    master.until(lambda: worker.page[THREADS] == 50 << 32 | 40)
    for id in range(50):
        worker.answer(1 + id)
    master.until(lambda: worker.page[THREADS] == 40)
    worker.lane.put(packet("/own_threads", id=100))  # which are not those that all share
    worker.answer(100)
    assert worker.page[THREADS] == 40


def test_threads_of_another_loop_are_not_counted(worker):
    worker.lane.put(packet("/own_loop", id=1))
    worker.answer(1)
    assert worker.page[THREADS] == 0
