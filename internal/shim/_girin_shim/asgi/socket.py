"""One WebSocket on the loop. The front speaks the protocol; here are whole messages.

    CONNECTING  the app has not answered        -> OPEN, DENYING, CLOSED
    DENYING     a denial's head is out          -> CLOSED
    OPEN        accepted                        -> CLOSED
    CLOSED      nothing more can be sent
"""
from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic_ns

from .. import wire
from ..heads import SWITCHING_STATUS
from .http import Disconnected, Exchange, _bytes, _texts
from .inbound import BINARY, GONE, TEXT

CONNECTING, DENYING, OPEN, CLOSED = 0, 1, 2, 3

TELL_FROM = 8 << 10  # bytes: an eighth of what --ws-max-queue is by itself

NO_STATUS, ABNORMAL, INTERNAL, RESTART = 1005, 1006, 1011, 1012


class Socket:
    """See the module."""

    queue: type = deque
    state = CONNECTING
    gone = False  # the client has left, or the server closes
    aware = False  # the app has been told so
    name = b""
    task: asyncio.Task | None = None
    judge: asyncio.TimerHandle | None = None  # see Loop.expect_awareness
    measured = False

    def __init__(self, runner, slot: int, id: int, window: int) -> None:
        self.runner = runner
        self.slot = slot
        self.id = id
        self.began = monotonic_ns()
        self.window = window
        self._connected = False  # websocket.connect was received
        self._messages = self.queue()  # each with what it counts for
        self._in_hand = 0  # what the messages count for that the app has, and the master does not know of
        self._credit = window
        self._waiters: set[asyncio.Future] = set()
        self._end: dict | None = None  # the websocket.disconnect
        self._denial: Exchange | None = None
        self._accepted = False

    # What the app calls.

    async def receive(self) -> dict:
        """websocket.connect, then messages, then websocket.disconnect, again and again."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._in_hand and self.state == OPEN and (not self._messages or self._in_hand >= TELL_FROM):  # told only now: what the app has sent because of it is on its way before
            self._emit(wire.TAKEN, 0, self._in_hand.to_bytes(4, "little"))
            self._in_hand = 0
        while (message := self._next()) is None:
            if self._end is not None:
                self.aware = True
                return dict(self._end)
            if self.state == CONNECTING and self.runner.draining:  # nothing can come before it accepts
                self.gone = True
                self._disconnected(ABNORMAL, None)
            else:
                await self._wait()
        return message

    def _next(self) -> dict | None:
        if not self._messages:
            return None
        message, size = self._messages.popleft()
        self._in_hand += size
        return message

    async def send(self, message: dict) -> None:
        kind = message["type"]
        if kind in ("websocket.http.response.start", "websocket.http.response.body"):
            await self._deny(kind, message)
        elif self.gone and self.state != CLOSED:
            if kind != "websocket.close":  # what is to be closed is closed: an app that does so at its end is right
                raise self._left()
            self.aware = True
        elif self.state == CONNECTING and kind == "websocket.accept":
            self._accept(message)
        elif self.state == CONNECTING and kind == "websocket.close":
            await self._refuse()
        elif self.state == OPEN and kind == "websocket.send":
            await self._send(message)
        elif self.state == OPEN and kind == "websocket.close":
            self._close(message.get("code") or 1000, message.get("reason") or "")
        elif self._end is not None and (kind == "websocket.send" or self.gone):
            raise Disconnected("the socket is closed")
        else:
            raise self._unexpected(kind)

    def _accept(self, message: dict) -> None:
        fields = _texts(message.get("headers") or ())
        if any(name.lower() == "sec-websocket-protocol" for name, _ in fields):
            raise RuntimeError("the subprotocol is given by subprotocol, not by a header")
        if message.get("subprotocol"):
            fields.append(("Sec-WebSocket-Protocol", message["subprotocol"]))
        head = self.runner.heads.encode(SWITCHING_STATUS, fields)
        self._emit(wire.ACCEPT, 0, b"", head)
        self.state, self._accepted = OPEN, True
        if self.runner.draining:
            self.runner.loop.call_soon(self.close_soon)

    async def _send(self, message: dict) -> None:
        content, text = message.get("bytes"), message.get("text")
        if content is None and text is None:
            raise ValueError("websocket.send has neither bytes nor text")
        data = _bytes("a message", content) if content is not None else text.encode()
        if len(data) > wire.MAX_BLOCK:
            raise ValueError(f"a message of {len(data)} bytes is too large: at most {wire.MAX_BLOCK} can be sent")
        while self._credit <= 0 and self.state == OPEN and not self.gone:
            await self._wait()
        if self.gone:
            raise self._left()
        if self.state != OPEN:
            raise Disconnected("the socket was closed meanwhile")
        self._credit -= len(data)
        self._emit(wire.TEXT_MESSAGE if content is None else wire.BINARY_MESSAGE, 0, data)

    def _unexpected(self, kind: str) -> RuntimeError:
        """In uvicorn's words: those are what people look for."""
        if self.state == CLOSED:
            return RuntimeError(f"Unexpected ASGI message {kind!r}, after sending 'websocket.close' or response already completed.")
        return RuntimeError(f"Expected ASGI message {_EXPECTED[self.state]} but got {kind!r}.")

    def _left(self) -> Disconnected:
        self.aware = True
        return Disconnected("the client has left")

    def _close(self, code: int, reason: str | None) -> None:
        self._emit(wire.CLOSE, wire.FINAL, code.to_bytes(2, "little") + _fitting(reason or ""))
        self.state = CLOSED
        self._disconnected(code, reason)

    async def _refuse(self) -> None:
        """A close before accept is a 403 (specification of WebSocket)."""
        await self._deny("websocket.http.response.start", {"status": 403, "headers": []})
        await self._deny("websocket.http.response.body", {"body": b""})

    async def _deny(self, kind: str, message: dict) -> None:
        """The extension websocket.http.response: an answer in place of a handshake."""
        starts = kind == "websocket.http.response.start"
        if self.state != (CONNECTING if starts else DENYING):
            raise self._unexpected(kind)
        if starts and message["status"] not in _STATUSES:
            raise RuntimeError(f"Invalid HTTP status code {message['status']!r} in response.")
        if self._denial is None:
            self._denial = Exchange(self.runner, self.slot, self.id, self.window, False)
            self._denial.began, self._denial.name = self.began, self.name
        self._denial.gone = self.gone
        await self._denial.send({**message, "type": kind.removeprefix("websocket.")})
        if starts:
            self.state = DENYING
        elif not message.get("more_body"):
            self.state = CLOSED
            self._disconnected(ABNORMAL, "")

    # What the runner tells.

    def incoming(self, kind: int, code: int, data: bytes) -> None:
        if kind == GONE:
            reason = data.decode("utf-8", "replace")
            self._client_left(code, reason if reason or code != RESTART else None)
        elif kind in (TEXT, BINARY) and self._end is None:
            content = {"text": data.decode("utf-8", "replace")} if kind == TEXT else {"bytes": data}
            self._messages.append(({"type": "websocket.receive", **content}, len(data) + wire.MESSAGE_COST))
        self._wake()

    def unread(self) -> int:
        """How many messages the app has not received."""
        return len(self._messages)

    def grant(self, credit: int) -> None:
        """So much more of messages, or of a denial, may be sent."""
        if self._denial is not None and self.state != OPEN:  # else one that could not begin
            self._denial.grant(credit)
            return
        self._credit += credit
        self._wake()

    def body_came(self, file: int) -> None:
        raise wire.ProtocolError("a socket has no body")

    def left(self) -> None:
        self._client_left(ABNORMAL, "")

    def close_soon(self) -> None:
        """The worker ends: the client is told to connect anew."""
        if self.state == OPEN:
            self._close(RESTART, None)
            self.gone = True
        self._wake()

    def excuses(self, error: BaseException) -> bool:
        """Is this only how an app ends whose client has left?"""
        return self.gone and isinstance(error, (Disconnected, asyncio.CancelledError))

    def drop(self) -> None:
        """The request was cancelled before the app ran."""
        self._emit(wire.DROPPED, wire.FINAL, b"")
        self.state = CLOSED

    def app_ended(self, error: BaseException | None) -> None:
        """The app has returned or raised."""
        if self.state == OPEN:
            self._close(1000 if error is None else INTERNAL, "")
        elif self.state == CONNECTING:
            self._emit(wire.FAILED, wire.FINAL, b"")
        elif self._denial is not None:  # also one that its client did not wait for, or whose trailers are missing: the call must end
            self._denial.end_with_head()
            self._denial.app_ended(error)
        self.state = CLOSED
        self._disconnected(ABNORMAL, "")  # tasks of the app's own may wait for something of it

    # Below.

    def _client_left(self, code: int, reason: str | None) -> None:
        if not self.gone and self.state != CLOSED:  # else the app itself has ended it
            self.runner.expect_awareness(self)
        self.gone = True
        self._disconnected(code, reason)
        if self._denial is not None:
            self._denial.left()
        self._wake()

    def _disconnected(self, code: int, reason: str | None) -> None:
        """reason is left out where no close frame could have one: before accept, and of the server's own end, as uvicorn does."""
        if self._end is None:
            self._end = {"type": "websocket.disconnect", "code": code or NO_STATUS}
            if self._accepted and reason is not None:
                self._end["reason"] = reason
        self._wake()

    async def _wait(self) -> None:
        future = self.runner.loop.create_future()
        self._waiters.add(future)
        try:
            await future
        finally:
            self._waiters.discard(future)

    def _wake(self) -> None:
        for future in self._waiters:
            if not future.done():
                future.set_result(None)

    def _emit(self, kind: int, flags: int, data: bytes, head=None) -> None:
        block, fields = (head.block, head.fields) if head is not None else (b"", 0)
        frame = wire.FRAME.pack(self.id, self.began, 0, wire.NOT_MEASURED, len(block), len(data), kind, flags, fields)
        self.runner.put(frame, block, data)


def _fitting(reason: str) -> bytes:
    """As much of it as a close frame has room for (RFC 6455 section 5.5)."""
    return reason.encode()[: wire.MAX_CLOSE - 2].decode(errors="ignore").encode()


_EXPECTED = {
    CONNECTING: "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'",
    DENYING: "'websocket.http.response.body'",
    OPEN: "'websocket.send' or 'websocket.close'",
}
_STATUSES = range(200, 600)  # of a denial
