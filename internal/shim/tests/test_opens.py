"""WebSockets that the master gives to one loop, on the response socket."""
from __future__ import annotations

import master
import pytest
from test_same_asgi import UPGRADE, packet
from test_same_sockets import ACCEPT, CLOSE, CODE, GONE, TEXT, TEXT_CAME, inbound

OPEN = 1
PAGE_OPENED = 6
PLACES = 2


@pytest.fixture(params=[(name, loop) for name in master.implementations("asgi") for loop in ("asyncio", "uvloop")])
def worker(request):
    name, loop = request.param
    one = master.Worker("wsgi_app:app", CODE, cls="asgi", implementation=name, asgi_loop=loop, connections=PLACES, graceful_timeout=8)
    yield one
    one.close()


def give(worker, *ids: int) -> None:
    worker.responses.sendall(b"".join(inbound(OPEN, id, packet("/echo", flags=UPGRADE, id=id)) for id in ids))


def kinds(worker, id: int, last: int) -> None:
    while worker.frame(id).kind != last:
        pass


def test_it_is_opened_and_speaks(worker):
    give(worker, 1)
    kinds(worker, 1, ACCEPT)
    worker.responses.sendall(inbound(TEXT_CAME, 1, b"hello"))
    kinds(worker, 1, TEXT)
    worker.responses.sendall(inbound(GONE, 1, b"", 1000))
    kinds(worker, 1, CLOSE)
    master.until(lambda: not worker.running())


def test_those_beyond_its_places_wait(worker):
    give(worker, 1, 2, 3, 4)
    for id in (1, 2):
        kinds(worker, id, ACCEPT)
    assert sorted(worker.running()) == [1, 2]
    assert worker.page[PAGE_OPENED] == 2
    for ended, follows in ((1, 3), (2, 4)):
        worker.responses.sendall(inbound(GONE, ended, b"", 1000))
        kinds(worker, ended, CLOSE)
        kinds(worker, follows, ACCEPT)


def test_one_whose_client_has_left_is_dropped(worker):
    worker.arena.cancel(5)
    give(worker, 5)
    assert worker.frame(5).kind == master.DROPPED
    assert not worker.running()


def test_what_was_given_before_the_drain_is_opened(worker):
    """And told to come again soon after."""
    give(worker, 1)
    worker.tell(master.DRAIN, 8000)
    kinds(worker, 1, ACCEPT)
    kinds(worker, 1, CLOSE)
    worker.message(master.IDLE)
    assert worker.wait() == 0


STREAMS = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in (body, b"two", b"three"):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})
"""


@pytest.mark.parametrize("each", master.implementations("asgi"))
def test_a_stream_is_given_as_a_socket_is(each):
    one = master.Worker("wsgi_app:app", STREAMS, cls="asgi", implementation=each, connections=PLACES, graceful_timeout=8)
    try:
        one.responses.sendall(b"".join(inbound(OPEN, id, packet("/", b"POST", b"one", id=id)) for id in (1, 2, 3)))
        assert [one.answer(id).body for id in (1, 2, 3)] == [b"onetwothree"] * 3
        assert one.page[PAGE_OPENED] == 3
        one.arena.cancel(4)
        one.responses.sendall(inbound(OPEN, 4, packet("/", id=4)))
        assert one.answer(4).dropped
        master.until(lambda: not one.running())
    finally:
        one.close()
