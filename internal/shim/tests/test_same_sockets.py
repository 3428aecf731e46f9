"""Both implementations of the class asgi say the same of WebSockets."""
from __future__ import annotations

import contextlib
import random
import socket
import struct
import textwrap

import master
import pytest
from test_same_asgi import OURS, UPGRADE, packet

ACCEPT, TEXT, BINARY, CLOSE, TAKEN = 7, 8, 9, 10, 11
TEXT_CAME, BINARY_CAME, GONE = 3, 4, 5
COST = 256

APPS = {
    "echo": """
        await accept()
        while (m := await receive())["type"] == "websocket.receive":
            await send({**m, "type": "websocket.send"})
        raise ValueError(m)""",
    "both_keys": """
        await accept()
        while (m := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": m.get("text"), "bytes": m.get("bytes")})""",
    "twice": """
        await accept()
        while (m := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "one"})
            await send({"type": "websocket.send", "bytes": b"two"})""",
    "mutable": """
        await accept()
        while (m := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": bytearray(b"x")})""",
    "empty": """
        await accept()
        while (m := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send"})""",
    "all_keys": """
        await accept()
        while (m := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "x", "bytes": b"yz"})""",
    "surrogate": """
        await accept()
        await receive()
        await send({"type": "websocket.send", "text": "\\udc80"})""",
    "number": """
        await accept()
        await receive()
        await send({"type": "websocket.send", "text": 7})""",
    "unknown": """
        await accept()
        await receive()
        await send({"type": "websocket.nonsense"})""",
    "before_accept": "await receive(); await send({'type': 'websocket.send', 'text': 'x'})",
    "after_close": """
        await accept()
        await receive()
        await send({"type": "websocket.close", "code": 4000, "reason": "bye"})
        try:
            await send({"type": "websocket.send", "text": "x"})
        except OSError as e:
            raise ValueError(str(e), await receive(), await receive())""",
    "wait_for": """
        await accept()
        m = None
        while m is None:
            try:
                m = await asyncio.wait_for(receive(), 0.01)
            except asyncio.TimeoutError:
                pass
        await send({"type": "websocket.send", "text": repr(m)})
        await receive()""",
    "cancelled_receives": """
        await accept()
        for turns in (0, 1, 0, 1, 2):
            task = asyncio.create_task(receive())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            m, = await asyncio.gather(task, return_exceptions=True)
            if isinstance(m, dict):  # it was received before
                await send({**m, "type": "websocket.send"})
        while (m := await receive())["type"] == "websocket.receive":
            await send({**m, "type": "websocket.send"})""",
    "two_receivers": """
        await accept()
        async def answer():
            while (m := await receive())["type"] == "websocket.receive":
                await send({**m, "type": "websocket.send"})
        await asyncio.gather(answer(), answer())""",
    "sleeps_first": """
        await accept()
        await asyncio.sleep(0.02)
        while (m := await receive())["type"] == "websocket.receive":
            await send({**m, "type": "websocket.send"})""",
    "returns": "await accept(); await receive()",
    "raises": "await accept(); await receive(); raise KeyError('x')",
    "leaves_receiver": """
        await accept()
        await receive()
        LEFT.append(asyncio.create_task(receive()))
        await asyncio.sleep(0)""",
    "left": "await accept(); await receive(); raise ValueError([task.done() and task.result() for task in LEFT])",
    "remembers_itself": """
        await accept()
        SEEN.append(weakref.ref(receive.__self__))
        await receive()""",
    "still_there": """
        await accept()
        gc.collect()
        raise ValueError([one() for one in SEEN])""",
    "closes_when_left": """
        await accept()
        m = await receive()
        await send({"type": "websocket.close"})
        await send({"type": "websocket.close", "code": 4000})
        raise ValueError(m)""",
    "closes_twice": """
        await accept()
        await send({"type": "websocket.close"})
        await send({"type": "websocket.close"})""",
    "accepts_twice": """
        await accept()
        await send({"type": "websocket.accept"})""",
    "denies_by_head": """
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"x", b"y")]})""",
    "denies_by_head_and_waits": """
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"x", b"y")]})
        await asyncio.sleep(0.1)""",
    "denies_twice": """
        await receive()
        for _ in range(2):
            await send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})""",
    "denies_less": """
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"content-length", b"1")]})""",
    "denies_with_700": """
        await receive()
        await send({"type": "websocket.http.response.start", "status": 700, "headers": []})""",
    "denies_and_sends": """
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.send", "text": "x"})""",
    "denies_when_left": """
        await receive()
        while (await receive())["type"] != "websocket.disconnect":
            pass
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})""",
    "denies_with_trailers": """
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": [], "trailers": True})
        await send({"type": "websocket.http.response.body", "body": b"no"})""",
    "denies": "await receive(); await send({'type': 'websocket.close'})",
    "denies_and_receives": "await receive(); await send({'type': 'websocket.close'}); raise ValueError(await receive())",
}

CODE = """
import asyncio, gc, weakref

LEFT, SEEN = [], []

async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise ValueError
    async def accept():
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
    await globals()[scope["path"][1:]](scope, receive, send, accept)
"""
CODE += "".join(f"async def {name}(scope, receive, send, accept):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n" for name, body in APPS.items())


def inbound(kind: int, id: int, data: bytes = b"", code: int = 0) -> bytes:
    return struct.pack("<QIIBBH", id, len(data), 0, kind, 0, code) + data


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def pair(request, tmp_path_factory):
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    folder = str(tmp_path_factory.mktemp("app"))
    workers = [
        master.Worker("wsgi_app:app", CODE, cls="asgi", implementation=name, folder=folder, asgi_loop=request.param, graceful_timeout=5)
        for name in master.implementations("asgi")
    ]
    yield workers
    for worker in workers:
        worker.close()


class Session:
    """One socket of a worker: what is sent to it, and what it says."""

    serial = 0

    def __init__(self, worker: master.Worker, app: str, window: int = 256 << 10) -> None:
        Session.serial += 1
        self.worker, self.id = worker, Session.serial
        worker.lane.put(packet(f"/{app}", flags=UPGRADE, id=self.id, window=window))
        self.said: list = []
        self.taken = 0

    def until(self, kind: int, count: int = 1) -> None:
        """Reads frames until so many of a kind have come."""
        while count:
            frame = self.hear()
            count -= frame.kind == kind
            assert frame.kind == kind or not frame.flags & master.FINAL, self.said

    def hear(self, timeout: float = master.PATIENCE) -> master.Frame:
        """What was taken is summed up: it may be told with a message or after it."""
        frame = self.worker.frame(self.id, timeout)
        if frame.kind == TAKEN:
            self.taken += int.from_bytes(frame.body, "little")
            return frame
        self.said.append((frame.kind, frame.flags, frame.head, frame.body))
        if frame.kind in (TEXT, BINARY):
            self.taken += frame.service
        return frame

    def tell(self, *frames: tuple) -> None:
        self.worker.responses.sendall(b"".join(inbound(kind, self.id, *more) for kind, *more in frames))

    def end(self) -> tuple:
        if not any(kind == CLOSE for kind, *_ in self.said):
            self.tell((GONE, b"bye", 4001))
            self.until(CLOSE)
        master.until(lambda: not self.worker.running())
        self.worker.sync()
        logs = [(m[1], OURS.sub("", m[3].decode())) for m in self.worker.messages if m[0] == master.LOG]
        self.worker.messages.clear()
        return self.said, logs

    def end_of_log(self) -> str:
        """The last line that its end has logged."""
        text = self.worker.log()[1]
        return text.rpartition("\n")[2]


MESSAGES = [(TEXT_CAME, "h\xe9llo".encode()), (BINARY_CAME, bytes(range(256))), (TEXT_CAME, b""), (BINARY_CAME, b"")]


@pytest.mark.parametrize("name", ["echo", "both_keys", "two_receivers", "sleeps_first", "cancelled_receives"])
@pytest.mark.parametrize("together", [1, 4])
def test_messages(pair, name, together):
    """Every message comes back once, and what they count for is told."""
    said = []
    for worker in pair:
        one = Session(worker, name)
        one.until(ACCEPT)
        for at in range(0, len(MESSAGES), together):
            one.tell(*MESSAGES[at : at + together])
            while sum(kind in (TEXT, BINARY) for kind, *_ in one.said) < at + together:
                one.hear()
        frames, logs = one.end()
        assert one.taken in (sum(len(data) + COST for _, data in MESSAGES), 0)
        said.append((frames, one.taken, logs))
    assert said[0] == said[-1]
    assert [(k, b) for k, _, _, b in said[0][0] if k in (TEXT, BINARY)] == [(k + 5, b) for k, b in MESSAGES]


@pytest.mark.parametrize("name", ["twice", "mutable", "all_keys"])
def test_what_is_sent(pair, name):
    said = []
    for worker in pair:
        one = Session(worker, name)
        one.until(ACCEPT)
        one.tell((TEXT_CAME, b"x"))
        one.until(BINARY)
        said.append(one.end())
    assert said[0] == said[-1]


@pytest.mark.parametrize("name", ["surrogate", "number", "empty", "unknown", "after_close", "returns", "raises"])
def test_ends(pair, name):
    said = []
    for worker in pair:
        one = Session(worker, name)
        one.until(ACCEPT)
        one.tell((TEXT_CAME, b"x"))
        one.until(CLOSE)
        said.append(one.end())
    assert said[0] == said[-1]


def test_a_receiver_that_is_left_behind_gets_the_disconnect(pair):
    said = []
    for worker in pair:
        for name in ("leaves_receiver", "left"):
            one = Session(worker, name)
            one.until(ACCEPT)
            one.tell((TEXT_CAME, b"x"))
            one.until(CLOSE)
            said.append(one.end())
    assert said[:2] == said[-2:]
    assert "'type': 'websocket.disconnect', 'code': 1000" in said[1][1][0][1]


def test_nothing_is_left_of_a_socket_that_is_over(pair):
    """Also within the grace period after its client has left."""
    for worker in pair:
        one = Session(worker, "remembers_itself")
        one.until(ACCEPT)
        one.end()
        one = Session(worker, "still_there")
        one.until(CLOSE)
        assert one.end_of_log() == "ValueError: [None]"


@pytest.mark.parametrize("name", ["before_accept", "denies"])
def test_what_is_not_accepted(pair, name):
    said = []
    for worker in pair:
        one = Session(worker, name)
        said.append([(f.kind, f.flags, f.head, f.body) for f in worker.answer(one.id).frames])
        worker.sync()
        worker.messages.clear()
    assert said[0] == said[-1]


@pytest.mark.parametrize("name, status", [
    ("denies_by_head", b"404 Not Found"), ("denies_twice", b"404 Not Found"), ("denies_and_sends", b"404 Not Found"),
    ("denies_less", None), ("denies_with_700", None),
])
def test_a_denial_may_be_only_a_head(pair, name, status):
    """An app that ends after it, by an exception or not, has said what is to be said. None: the client gets a 500."""
    for worker in pair:
        answer = worker.answer(Session(worker, name).id)
        assert [f.kind for f in answer.frames] == [master.RESPONSE if status else master.FAILED]
        assert status is None or answer.frames[0].head.startswith(status)
        worker.sync()
        worker.messages.clear()


@pytest.mark.parametrize("name, words", [
    ("accepts_twice", "Expected ASGI message 'websocket.send' or 'websocket.close' but got 'websocket.accept'."),
    ("before_accept", "Expected ASGI message 'websocket.accept', 'websocket.close' or 'websocket.http.response.start' but got 'websocket.send'."),
    ("denies_twice", "Expected ASGI message 'websocket.http.response.body' but got 'websocket.http.response.start'."),
    ("denies_and_sends", "Expected ASGI message 'websocket.http.response.body' but got 'websocket.send'."),
    ("denies_with_700", "Invalid HTTP status code 700 in response."),
    ("closes_twice", "Unexpected ASGI message 'websocket.close', after sending 'websocket.close' or response already completed."),
])
def test_what_is_out_of_order_is_said_in_words_that_people_look_for(pair, name, words):
    for worker in pair:
        one = Session(worker, name)
        worker.answer(one.id)
        assert one.end_of_log() == f"RuntimeError: {words}"
        worker.messages.clear()


def test_to_close_a_socket_whose_client_has_left_is_no_fault(pair):
    said = []
    for worker in pair:
        worker.sync()
        worker.messages.clear()
        one = Session(worker, "closes_when_left")
        one.until(ACCEPT)
        one.tell((GONE, b"bye", 4001))
        one.until(CLOSE)
        said.append(one.end_of_log())
    assert said[0] == said[-1] == "ValueError: {'type': 'websocket.disconnect', 'code': 4001, 'reason': 'bye'}"


def test_a_denial_that_is_only_a_head_ends_whenever_its_app_does(pair):
    for worker in pair:
        frames = worker.answer(Session(worker, "denies_by_head_and_waits").id).frames
        assert frames[-1].flags & master.FINAL and master.FAILED not in [f.kind for f in frames]
        worker.sync()
        worker.messages.clear()


def test_a_denial_that_nobody_is_there_for_ends_the_call(pair):
    for worker in pair:
        one = Session(worker, "denies_when_left")
        master.until(lambda: worker.running() == [one.id])
        one.tell((GONE, b"", 1006))
        assert worker.frame(one.id).kind == master.FAILED
        worker.sync()
        worker.messages.clear()


def test_a_denial_whose_trailers_are_missing_ends(pair):
    for worker in pair:
        frames = worker.answer(Session(worker, "denies_with_trailers").id).frames
        assert b"".join(f.body for f in frames) == b"no"
        worker.sync()
        worker.messages.clear()


def test_a_disconnect_before_the_acceptance_has_no_reason(pair):
    """There is no close frame that could have one: as under uvicorn."""
    said = []
    for worker in pair:
        one = Session(worker, "denies_and_receives")
        worker.answer(one.id)
        said.append(one.end_of_log())
    assert said[0] == said[-1]
    assert "ValueError: {'type': 'websocket.disconnect', 'code': 1006}" in said[0]


def test_a_receive_that_is_given_up_loses_no_message(pair):
    said = []
    for worker in pair:
        one = Session(worker, "wait_for")
        one.until(ACCEPT)
        worker.sync()
        one.tell((TEXT_CAME, b"x"))
        one.until(TEXT)
        said.append(one.end()[0])
    assert said[0] == said[-1] and b"'x'" in said[0][1][3]


def test_a_message_may_be_sent_while_credit_is_left(pair):
    """Of the window something is left for the second message, and then nothing until there is credit."""
    for worker in pair:
        one = Session(worker, "echo", window=10)
        one.until(ACCEPT)
        one.tell(*[(BINARY_CAME, b"seven b")] * 3)
        one.until(BINARY, 2)
        worker.sync()
        worker.tell(master.CREDIT, 100, one.id)
        one.until(BINARY)
        one.end()


def test_frames_that_come_in_pieces(pair):
    """However the stream is cut, and however large a message is."""
    order = random.Random(1)
    for worker in pair:
        one = Session(worker, "echo", window=64 << 20)
        one.until(ACCEPT)
        sizes = [order.choice([0, 1, 100, 70_000, 300_000, 3_000_000]) for _ in range(12)]
        stream = b"".join(inbound(BINARY_CAME, one.id, bytes(size)) for size in sizes)
        at = 0
        while at < len(stream):
            step = order.choice([1, 19, 20, 21, 1000, 65536, 1 << 20])
            with contextlib.suppress(BlockingIOError, socket.timeout):
                at += worker.responses.send(stream[at : at + step], socket.MSG_DONTWAIT)
            while True:  # or both sides wait for each other
                try:
                    one.hear(0.001)
                except TimeoutError:
                    break
        while sum(kind == BINARY for kind, *_ in one.said) < len(sizes):
            one.until(BINARY)
        assert [len(body) for kind, _, _, body in one.said if kind == BINARY] == sizes
        one.end()
        assert one.taken == sum(sizes) + COST * len(sizes)


def test_many_messages_at_once(pair):
    for worker in pair:
        one = Session(worker, "echo", window=64 << 20)
        one.until(ACCEPT)
        for first in range(0, 3000, 100):
            one.tell(*((TEXT_CAME, b"%d" % i) for i in range(first, first + 100)))
            one.until(TEXT, 100)
        assert [body for kind, _, _, body in one.said if kind == TEXT] == [b"%d" % i for i in range(3000)]
        one.end()


def test_a_message_for_who_has_gone_is_nobodys(pair):
    for worker in pair:
        one = Session(worker, "echo")
        one.until(ACCEPT)
        one.tell((GONE, b"", 1006), (TEXT_CAME, b"late"))
        one.until(CLOSE)
        one.tell((TEXT_CAME, b"later"))
        other = Session(worker, "echo")
        other.until(ACCEPT)
        other.tell((TEXT_CAME, b"x"))
        other.until(TEXT)
        assert other.end() and one.said[-1][0] == CLOSE
