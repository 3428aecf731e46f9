"""Of an event loop, too, bodies of 8 KiB and more go to the master in the state page, whether an
answer is whole or comes in parts; and the loop reads itself what more it may send."""
from __future__ import annotations

import pytest
from master import FINAL, IN_PAGE, PAGE_UNIT, WHOLE, Worker, implementations
from test_same_asgi import packet
from test_same_sockets import ACCEPT, BINARY, BINARY_CAME, UPGRADE, inbound

APP = """
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "bytes": message["bytes"]})
            return
        await send({"type": "http.response.start", "status": 200})
        sizes = [int(size) for size in scope["path"][1:].split("/")]
        for i, size in enumerate(sizes):
            await send({"type": "http.response.body", "body": bytes([65 + i]) * size, "more_body": i + 1 < len(sizes)})
    """
UNITS = 10
CREDITED = 6

pytestmark = pytest.mark.skipif("native" not in implementations("asgi"), reason="no accelerator was built")


@pytest.fixture
def start():
    """Starts workers with the shim in C, which end with their test."""
    workers: list[Worker] = []

    def start_worker(units: int = UNITS) -> Worker:
        workers.append(Worker("wsgi_app:app", APP, cls="asgi", implementation="native", units=units))
        return workers[-1]

    yield start_worker
    for worker in workers:
        print(worker.stderr())
        worker.close()


@pytest.fixture
def worker(start):
    return start()


def ask(worker, *sizes: int, id: int = 1, window: int = 4 << 20) -> int:
    worker.lane.put(packet("/" + "/".join(map(str, sizes)), id=id, window=window))
    return id


def message(worker, id: int) -> bytes:
    """The next message of a WebSocket."""
    while (frame := worker.frame(id)).kind != BINARY:
        pass
    return frame.body


def states(worker) -> list[int]:
    return worker.page[worker.states : worker.states + UNITS].tolist()


def test_a_whole_answer_lies_in_the_page(worker):
    worker.page[worker.states] = 1  # taken
    frame = worker.frame(ask(worker, 70_000))
    assert (frame.flags, frame.place, frame.body) == (FINAL | WHOLE | IN_PAGE, 1, b"A" * 70_000)
    assert states(worker) == [1, 5, 0, 0, 0, 0, 0, 0, 0, 0]


def test_each_part_lies_there_until_the_master_has_it(worker):
    sizes = (PAGE_UNIT, 2 * PAGE_UNIT, 8 << 10, 5)
    frames = worker.answer(ask(worker, *sizes)).frames
    assert [len(frame.body) for frame in frames] == [*sizes, 0]
    assert b"".join(frame.body for frame in frames) == b"".join(bytes([65 + i]) * size for i, size in enumerate(sizes))
    assert [frame.place for frame in frames] == [0, 1, 3, None, None]
    assert states(worker) == [1, 2, 0, 1, 0, 0, 0, 0, 0, 0]


def test_what_finds_no_room_there_goes_over_the_socket(worker):
    answer = worker.answer(ask(worker, UNITS * PAGE_UNIT, 100_000, 10_000))
    assert [frame.place for frame in answer.frames] == [0, None, None, None]
    assert answer.body == b"A" * UNITS * PAGE_UNIT + b"B" * 100_000 + b"C" * 10_000


def test_small_bodies_and_messages_use_no_unit(worker):
    worker.answer(ask(worker, (8 << 10) - 1, (8 << 10) - 1))
    worker.lane.put(packet("/", id=2, flags=UPGRADE))
    assert worker.frame(2).kind == ACCEPT
    worker.responses.sendall(inbound(BINARY_CAME, 2, b"m" * 50_000))
    assert message(worker, 2) == b"m" * 50_000
    assert states(worker) == [0] * UNITS


@pytest.mark.parametrize("units", [UNITS, 0])
@pytest.mark.parametrize("sizes", [(100_000,), (30_000, 30_000, 30_000, 10_000)])
def test_the_loop_reads_its_credit(start, sizes, units):
    """Nothing of it comes by the control socket, and nothing is sent before it comes."""
    worker = start(units)
    id, body = ask(worker, *sizes, window=40_000), b""
    while len(body) < 40_000:
        body += worker.frame(id).body
    worker.responses.sendall(inbound(CREDITED, 99, (1).to_bytes(4, "little")))  # of an answer that is over
    worker.responses.sendall(inbound(CREDITED, id, (10_000).to_bytes(4, "little")))
    while len(body) < 50_000:
        body += worker.frame(id).body
    worker.sync()
    assert len(body) == 50_000 and not worker.frames
    worker.responses.sendall(inbound(CREDITED, id, (50_000).to_bytes(4, "little")))
    body += worker.answer(id).body
    assert body == b"".join(bytes([65 + i]) * size for i, size in enumerate(sizes))


def test_a_socket_goes_on_with_credit(start):
    worker = start()
    worker.lane.put(packet("/", id=3, flags=UPGRADE, window=1))
    assert worker.frame(3).kind == ACCEPT
    worker.responses.sendall(inbound(BINARY_CAME, 3, b"one") + inbound(BINARY_CAME, 3, b"two"))
    assert message(worker, 3) == b"one"
    worker.sync()
    assert not [frame for frame in worker.frames if frame.kind == BINARY]
    worker.responses.sendall(inbound(CREDITED, 3, (3).to_bytes(4, "little")))
    assert message(worker, 3) == b"two"
