"""One HTTP request on the loop: its receive and send, and the frames they make.

All of it runs on the loop's thread. States:

    NOTHING  no byte of the answer is out        -> STARTED, ENDED
    STARTED  head sent, the body is not complete -> ENDED
    ENDED    a final frame is out: whatever the app does now reaches nobody

The head is kept until the first part of the body comes, as the specification
allows, so that an answer that is whole goes as one frame; but not for long (see
waiting.Heads): who opens a stream of events wants to know that it is open.
"""
from __future__ import annotations

import asyncio
import os
import traceback
from http import HTTPStatus
from time import monotonic_ns

from .. import errors, wire
from ..heads import EARLY_STATUS, Head, HeadError
from ..shortage import LEFT_OUT, no_descriptor
from .files import Part
from .steps import cost

NOTHING, STARTED, ENDED = 0, 1, 2

PIECE = 64 << 10  # bytes of a body that one http.request brings at most
REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Disconnected(OSError):
    """send was called after the client had left (specification 2.4)."""


class Exchange:
    """See the module. The class attributes are an exchange's first values."""

    state = NOTHING
    head: Head | None = None
    trails = False  # trailers follow the body
    trailers: list[tuple[str, str]] | None = None  # those so far, once the body is complete
    sent = 0  # body bytes of the answer
    granted = 0  # bytes of credit
    file = -1  # the descriptor that the body comes from, once fetched
    reader: asyncio.Future | None = None  # of who began last to wait until it can be read
    fetched = False
    lacks_file = False  # there was no descriptor for it
    complete = False  # the whole body was received by the app
    gone = False  # the client has left
    name = b""  # method and target, for the log
    task: asyncio.Task | None = None
    judge: asyncio.TimerHandle | None = None  # see Loop.expect_awareness
    measured = False  # is it to be told how long the loop was held?
    held = 0  # ns that the steps so far have held the loop
    stepping = 0  # ns: when the present step began; 0: none runs
    usage = (0, 0)  # see steps, from then
    thread_time: list[int] | None = None  # ns of CPU that its threads have used

    def __init__(self, runner, slot: int, id: int, window: int, head_only: bool) -> None:
        self.runner = runner
        self.slot = slot
        self.id = id
        self.began = monotonic_ns()
        self.window = window
        self.head_only = head_only
        self.body = b""
        self.fetches = False  # the body is in a file, or comes by a pipe
        self.by_pipe = False
        self.waiters: set[asyncio.Future] = set()

    # What the app calls.

    async def receive(self) -> dict:
        """The next part of the body; http.disconnect once the client has left or the answer is complete."""
        if not self.complete and not self.gone and self.state != ENDED:
            if not self.fetches:
                self.complete = True
                body, self.body = self.body, b""
                return {"type": "http.request", "body": body, "more_body": False}
            piece = await self._read()
            if piece is not None:
                return {"type": "http.request", "body": piece, "more_body": not self.complete}
        while not self.gone and self.state != ENDED:
            await self._wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        """Takes one of the messages of HTTP; waits while the client is slow."""
        kind = message["type"]
        if self.gone:
            if self.runner.raises_disconnect:
                raise Disconnected("the client has left")
            await asyncio.sleep(0)  # an endless stream must not keep the loop from others, nor from its own end
            return
        if kind == "http.response.body":
            body = message.get("body")
            await self._send_body(b"" if body is None else body, message.get("more_body", False))
        elif kind == "http.response.start":
            self._start(message)
        elif kind == "http.response.trailers":
            self._trail(message)
        elif kind == "http.response.early_hint":
            self._early_hint(message)
        elif kind == "http.response.pathsend":
            await self._send_file(Part.of_path(message))
        elif kind == "http.response.zerocopysend":
            await self._send_file(Part.of_message(message))
        else:
            raise RuntimeError(f"a request cannot send {kind!r}")

    # The answer.

    def _start(self, message: dict) -> None:
        if self.head is not None:
            raise RuntimeError("http.response.start was sent twice")
        status = message["status"]
        if not isinstance(status, int) or not 200 <= status <= 999:
            raise HeadError(f"the status must be an integer from 200 on: {status!r}")
        fields = [field for field in _texts(message.get("headers", ())) if field[0].lower() != "transfer-encoding"]  # that is the server's business
        self.head = self.runner.heads.encode(REASONS.get(status) or f"{status} ", fields)
        self.trails = bool(message.get("trailers"))
        self.runner.keep_head(self)

    async def _send_body(self, body, more: bool) -> None:
        head = self._need_head()
        body = self._fitting(head, _bytes("a body", body))
        if self.head_only or head.bodiless:
            self._finish_without_body(head)
        elif self.state == NOTHING and not more and not self.trails and len(body) <= self.window:
            self._answer(head, body)
        else:
            await self._send_pieces(head, body, more)

    def _need_head(self) -> Head:
        if self.head is None:
            raise RuntimeError("a body was sent before http.response.start")
        if (self.state == ENDED or self.trailers is not None) and not self.head_only and not self.head.bodiless:
            raise RuntimeError("a body was sent after the answer was complete")
        return self.head

    def _fitting(self, head: Head, body: bytes) -> bytes:
        """The body, if its Content-Length allows it."""
        if head.length is not None and not self.head_only and not head.bodiless and self.sent + len(body) > head.length:
            self.fail()
            raise RuntimeError(f"the response is longer than its Content-Length of {head.length}")
        return body

    def _finish_without_body(self, head: Head) -> None:
        if self.state == NOTHING:
            self._emit(wire.RESPONSE, wire.FINAL, head, b"")
            self._ended()

    def _answer(self, head: Head, body: bytes) -> None:
        """The whole answer in one frame: the usual case."""
        if head.length is not None and head.length != len(body):
            self._short(head, len(body))
        self._emit(wire.RESPONSE, wire.FINAL | wire.WHOLE, head, body)
        self.sent = len(body)
        self._ended()

    async def _send_pieces(self, head: Head, body: bytes, more: bool) -> None:
        """Sends a part of the body as the window and credit allow."""
        rest = memoryview(body)
        while rest:
            room = min(self.window + self.granted - self.sent, wire.MAX_BLOCK)
            if room <= 0:
                self._begin(head)
                await self._wait()
                if self.gone or self.state == ENDED:
                    return
                continue
            piece, rest = rest[:room], rest[room:]
            self._emit(wire.BLOCK if self.state else wire.RESPONSE, 0, None if self.state else head, bytes(piece))
            self._has_begun(head)
            self.sent += len(piece)
        if more:
            self._begin(head)
            return
        if head.length is not None and self.sent < head.length:
            self._short(head, self.sent)
        self._begin(head)
        if self.trails:
            self.trailers = []
        else:
            self._emit(wire.BLOCK, wire.FINAL, None, b"")
            self._ended()

    def _trail(self, message: dict) -> None:
        """The extension http.response.trailers: the master gives them to who takes any."""
        if self.head is not None and (self.head_only or self.head.bodiless):
            return
        if self.trailers is None or self.state == ENDED:
            raise RuntimeError("trailers are sent once the body is complete, where http.response.start announced them")
        self.trailers += _texts(message.get("headers", ()))
        if not message.get("more_trailers", False):
            self._emit(wire.BLOCK, wire.FINAL, self.runner.heads.encode(REASONS[200], self.trailers), b"")
            self._ended()

    def _begin(self, head: Head) -> None:
        """Sends the head, if it is not out yet."""
        if self.state == NOTHING:
            self._emit(wire.RESPONSE, 0, head, b"")
            self._has_begun(head)

    def _has_begun(self, head: Head) -> None:
        """The head is out."""
        self.state = STARTED

    def release_head(self) -> None:
        """Nothing has followed the head for a while: it goes out alone."""
        if self.state != NOTHING or self.gone:
            return
        if self.head_only or self.head.bodiless:
            self._finish_without_body(self.head)
        else:
            self._begin(self.head)

    def end_with_head(self) -> None:
        """Nothing follows: the head is the whole answer, where it may be that."""
        if self.gone or self.head is None:
            return
        if self.head_only or self.head.bodiless:
            self._finish_without_body(self.head)
        elif self.sent or self.trails or self.head.length not in (None, 0):
            return
        elif self.state == NOTHING:
            self._answer(self.head, b"")
        elif self.state == STARTED:  # it has waited for long
            self._emit(wire.BLOCK, wire.FINAL, None, b"")
            self._ended()

    def _short(self, head: Head, length: int) -> None:
        self.fail()
        raise RuntimeError(f"the response has {length} of the {head.length} bytes of its Content-Length")

    def _early_hint(self, message: dict) -> None:
        """RFC 8297; nothing once the head is out."""
        if self.head is None:
            links = [("Link", _text(link)) for link in message.get("links", ())]
            self._emit(wire.EARLY, 0, self.runner.heads.encode(EARLY_STATUS, links), b"")

    async def _send_file(self, part: Part) -> None:
        """Hands a whole answer that is a part of a file to the master, or reads it here."""
        with part:
            head = self._need_head()
            if self.head_only or head.bodiless:
                self._finish_without_body(head)
                return
            if self.state == NOTHING and not part.more and not self.trails and part.length > 0 and head.length in (None, part.length) and self.runner.send_file(self, head, part):
                self._ended()
                return
            while part.length > 0 and not self.gone:
                piece = await self.runner.in_thread(part.read, min(part.length, PIECE))
                if not piece:
                    break
                await self._send_body(piece, True)
            if not part.more and not self.gone:
                await self._send_body(b"", False)

    # The request's body.

    async def _read(self) -> bytes | None:
        """The next piece of a body that is fetched; None: the client has left, or has its answer before the body is here."""
        if not self.fetched:
            self.fetched = True
            self._emit(wire.FETCH, 0, None, b"")
        while self.file < 0:
            if self.gone or self.state == ENDED:
                return None
            if self.lacks_file:
                raise no_descriptor()
            await self._wait()
        while True:
            try:
                piece = os.read(self.file, PIECE)
            except BlockingIOError:
                await self._readable(self.file)
                if self.gone or self.file < 0 or self.state == ENDED:
                    return None
                continue
            if piece:
                return piece
            if self.runner.cancelled(self.id):  # an end that is none
                self.left()
                return None
            if self.by_pipe and self.state == ENDED:  # with the answer it was closed, all of it read or not
                return None
            self.complete = True
            return b""

    async def _readable(self, fd: int) -> None:
        """Returns when the descriptor can be read, or something has changed. Of a request several tasks may read."""
        loop = self.runner.loop
        future = self.reader = loop.create_future()
        self.waiters.add(future)
        loop.add_reader(fd, self._wake)
        try:
            await future
        finally:
            self.waiters.discard(future)
            if self.reader is future and self.file == fd:  # else another waits, or fd was closed and may be a stranger's
                loop.remove_reader(fd)
                self._wake()  # who waits besides looks, and waits anew

    # What the runner tells.

    def grant(self, credit: int) -> None:
        self.granted += credit
        self._wake()

    def body_came(self, fd: int) -> None:
        """fd is a file with the whole body, or a pipe by which it comes."""
        if fd == LEFT_OUT:
            self.lacks_file = True
            self._wake()
            return
        if self.file >= 0:
            os.close(fd)
            return
        os.set_blocking(fd, False)
        if not self.by_pipe:
            os.lseek(fd, 0, os.SEEK_SET)
        self.file = fd
        self._wake()

    def left(self) -> None:
        """The client has left: who waits is told."""
        self.gone = True
        self._wake()

    def app_ended(self, error: BaseException | None) -> None:
        """The app has returned or raised: what is missing of the answer is the app's fault."""
        if self.file >= 0:
            self.runner.forget(self.file)
            os.close(self.file)
            self.file = -1
            self._wake()  # a task that the app has left behind may wait for more of it
        if self.state == ENDED:
            return
        if error is None and not self.gone and self.trailers is not None:
            self.runner.log(40, f"{self.runner.target(self)}: the app returned without the trailers that it had announced")
            self._emit(wire.BLOCK, wire.FINAL, None, b"")
            self._ended()
            return
        if error is None and not self.gone:
            told = "without an answer" if self.head is None else "before its answer was complete"
            self.runner.log(40, f"{self.runner.target(self)}: the app returned {told}")
            if self.head is not None and (self.head_only or self.head.bodiless or self.head.length == 0):
                self.end_with_head()  # nothing is missing but the message that says so
        self.fail()

    def excuses(self, error: BaseException) -> bool:
        """Is this only how an app ends whose client has left, or was given up?"""
        return self.gone and isinstance(error, (Disconnected, asyncio.CancelledError))

    def drop(self) -> None:
        """The request was cancelled before the app ran."""
        self._emit(wire.DROPPED, wire.FINAL, None, b"")
        self.state = ENDED

    def fail(self) -> None:
        """The client gets a 500, or its connection is cut if the head is out."""
        if self.state != ENDED:
            self._emit(wire.FAILED, wire.FINAL, None, b"")
            self._ended()

    # Below.

    def _ended(self) -> None:
        self.state = ENDED
        self._wake()

    async def _wait(self) -> None:
        """Waits until something has changed; of a request several tasks may wait."""
        future = self.runner.loop.create_future()
        self.waiters.add(future)
        try:
            await future
        finally:
            self.waiters.discard(future)

    def _wake(self) -> None:
        for future in self.waiters:
            if not future.done():
                future.set_result(None)

    def _emit(self, kind: int, flags: int, head: Head | None, body: bytes) -> None:
        now = monotonic_ns()
        service = min((now - self.began) // 1000, wire.MAX_MICROSECONDS)
        cpu = self._held_until(now) if self.measured and kind == wire.RESPONSE else wire.NOT_MEASURED
        block = head.block if head is not None else b""
        fields = head.fields if head is not None else 0
        frame = wire.FRAME.pack(self.id, self.began, service, cpu, len(block), len(body), kind, flags, fields)
        self.runner.put(frame, block, body)


    def _held_until(self, now: int) -> int:
        """Microseconds of the loop and of CPU in threads."""
        held = self.held + (cost(self.stepping, self.usage, now) if self.stepping else 0) + (self.thread_time[0] if self.thread_time else 0)
        return min(held // 1000, wire.MAX_MICROSECONDS)


def _texts(headers) -> list[tuple[str, str]]:
    """Fields, which are bytes, as Heads takes them."""
    return [(_text(name), _text(value).strip(" \t")) for name, value in headers]


def _text(data) -> str:
    return _bytes("a header's name or value", data).decode("latin-1")


def _bytes(what: str, data) -> bytes:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{what} must be bytes, not {type(data).__name__}: {data!r:.200}")
    return bytes(data)


def describe(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    except BaseException:  # an exception that cannot be shown, or no memory
        return errors.describe(error)
