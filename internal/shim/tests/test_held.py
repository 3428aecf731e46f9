"""A loop tells how long each request has held it, in both implementations."""
from __future__ import annotations

import master
import pytest
from test_same_asgi import packet

STEP = 5  # the cell of the state page
HOLDS = 0.1  # s

CODE = f"""
import asyncio, threading, time
import anyio.to_thread

START, BODY = "http.response.start", "http.response.body"

def burn():
    began = time.thread_time()
    while time.thread_time() - began < {HOLDS}:
        pass

async def blocks():
    time.sleep({HOLDS})

async def blocks_later():
    await asyncio.sleep(0.001)
    time.sleep({HOLDS} / 2)
    await asyncio.sleep(0.001)
    time.sleep({HOLDS} / 2)

async def waits():
    await asyncio.sleep({HOLDS})

async def sleeps_in_a_thread():
    await anyio.to_thread.run_sync(time.sleep, {HOLDS})

async def computes_in_anyio():
    await anyio.to_thread.run_sync(burn)

async def computes_in_a_thread():
    await asyncio.to_thread(burn)

async def computes_in_a_child():
    await asyncio.create_task(asyncio.to_thread(burn))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError
    await globals()[scope["path"][1:]]()
    await send({{"type": START, "status": 200}})
    if scope["query_string"]:
        await send({{"type": BODY, "body": b"x", "more_body": True}})
    await send({{"type": BODY, "body": b"x"}})
"""


@pytest.fixture(scope="module", params=[(name, loop) for name in master.implementations("asgi") for loop in ("asyncio", "uvloop")])
def worker(request):
    name, loop = request.param
    one = master.Worker("wsgi_app:app", CODE, cls="asgi", implementation=name, asgi_loop=loop, graceful_timeout=5)
    yield one
    one.close()


def measured(worker, path, query=b"") -> float:
    """What the answer to a request says, in seconds."""
    worker.next_id += 1
    worker.lane.put(packet(path, flags=master.MEASURE_CPU, id=worker.next_id, query=query))
    return worker.answer(worker.next_id).frames[0].cpu / 1e6


@pytest.mark.parametrize("query", [b"", b"parts"])
@pytest.mark.parametrize("path", ["/blocks", "/blocks_later", "/computes_in_anyio", "/computes_in_a_thread", "/computes_in_a_child"])
def test_what_holds_the_loop_or_computes_is_measured(worker, path, query):
    assert measured(worker, path, query) >= HOLDS * 0.99


@pytest.mark.parametrize("query", [b"", b"parts"])
@pytest.mark.parametrize("path", ["/waits", "/sleeps_in_a_thread"])
def test_what_waits_is_not(worker, path, query):
    master.until(lambda: measured(worker, path, query) < HOLDS / 2)  # a busy machine may take the loop's core away


def test_nothing_is_measured_where_nobody_asks(worker):
    worker.next_id += 1
    worker.lane.put(packet("/waits", id=worker.next_id))
    assert worker.answer(worker.next_id).frames[0].cpu == 0xFFFFFFFF


def test_the_page_says_since_when_a_step_holds_the_loop(worker):
    worker.next_id += 1
    assert worker.page[STEP] == 0
    worker.lane.put(packet("/blocks", id=worker.next_id))
    master.until(lambda: worker.page[STEP])
    worker.answer(worker.next_id)
    master.until(lambda: not worker.page[STEP])
    worker.next_id += 1
    worker.lane.put(packet("/waits", id=worker.next_id))
    master.until(lambda: worker.running())
    master.until(lambda: not worker.page[STEP])  # though it runs
    worker.answer(worker.next_id)
