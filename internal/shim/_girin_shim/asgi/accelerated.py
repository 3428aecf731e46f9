"""The class asgi with its hot path in C.

The C code (accelerator/src/asgi.h) begins and answers the requests that nearly
all are, and hands one over to the classes here as soon as it is anything else.
"""
from __future__ import annotations

import asyncio
from types import CoroutineType

from .. import wire
from .._girin import Inbound, Outbox, Streaming  # loaded by accelerator
from .._girin import Intake as NativeIntake
from .._girin import Socket as NativeSocket
from ..heads import Head
from . import threadtime
from .http import NOTHING, REASONS, Exchange
from .intake import Intake
from .loop import Loop
from .scope import Scopes
from .socket import Socket


class AcceleratedSocket(NativeSocket, Socket):
    """Of NativeSocket are receive, send, and what they share with the methods of Socket."""

    queue = tuple  # messages are in NativeSocket

    def __init__(self, runner, slot: int, id: int, window: int) -> None:
        Socket.__init__(self, runner, slot, id, window)
        self.open(runner.outbox, runner.loop.create_future, self._waiters, id, self.began, window)

    # What the C code calls.

    def receive_in_python(self):
        return Socket.receive(self)

    def send_in_python(self, message):
        return Socket.send(self, message)

    def wake_others(self) -> None:
        Socket._wake(self)

    # What Socket calls.

    def _wake(self) -> None:
        self.wake_first()
        Socket._wake(self)


class AcceleratedExchange(Streaming, Exchange):
    """Of Streaming is send, and what it shares with the methods of Exchange."""

    def __init__(self, runner, slot: int, id: int, window: int, head_only: bool) -> None:
        Exchange.__init__(self, runner, slot, id, window, head_only)
        self.open(runner.outbox, runner.intake)

    def send_in_python(self, message):
        return Exchange.send(self, message)

    def _has_begun(self, head: Head) -> None:
        self.length = -1 if head.length is None else head.length
        self.plain = not (self.trails or self.head_only or head.bodiless)
        Exchange._has_begun(self, head)


class AcceleratedIntake(NativeIntake, Intake):
    """Of NativeIntake are read, and take_packet."""

    socket = AcceleratedSocket
    exchange = AcceleratedExchange

    def __init__(self, runner, worker) -> None:
        Intake.__init__(self, runner, worker)
        statuses = {status: reason.encode() for status, reason in REASONS.items() if status >= 200}
        self.bind(
            runner.outbox, worker, worker.lanes, worker.forked, worker.page, worker.arena.view, bool(worker.lifetime),
            self._takes_turns, runner.free, runner.exchanges, self._start, statuses, CoroutineType,
        )

    def serve(self, app, scopes: Scopes) -> None:
        Intake.serve(self, app, scopes)
        self.bind_app(app, scopes.templates, scopes.state, scopes.extensions, threadtime.used.set if self._threads_measured else None)

    # What the C code calls.

    def begin_packet(self, packet: bytes) -> None:
        """A request that the C code leaves alone from its start."""
        self.begin(packet, wire.REQUEST.unpack_from(packet))

    def _steps(self, task, exchange):
        return self.watch(task) if isinstance(exchange, Socket) else Intake._steps(self, task, exchange)

    def tls_of(self, text: bytes) -> dict:
        return self._scopes.tls_of(text)

    def take_in_python(self) -> None:
        """No lane can be read: why?"""
        self._take()

    def go_last(self) -> None:
        self._runner.go_last()

    def adopt(self, slot, id, began, window, is_head, method, raw_path, task, body, head, state, sent, received, runs, measured, held, stepping, usage, thread_time) -> Exchange:
        """Returns the exchange that goes on where the C code stopped; head is what Head takes, or empty."""
        exchange = AcceleratedExchange(self._runner, slot, id, window, bool(is_head))
        exchange.began = began
        exchange.name = self.name_of(method, raw_path)
        exchange.task = task
        exchange.body = body
        exchange.complete = bool(received)
        exchange.state = state
        exchange.sent = sent
        exchange.measured, exchange.held, exchange.stepping = bool(measured), held, stepping
        exchange.usage, exchange.thread_time = usage, thread_time
        if head:
            block, fields, length, bodiless = head
            exchange.head = Head(block, fields, None if length < 0 else length, bool(bodiless))
        if runs:
            self._runner.began(exchange)
        if head and state == NOTHING:
            self._runner.keep_head(exchange)
        return exchange

    def name_of(self, method: str, raw_path: bytes) -> bytes:
        return method.encode() + b" " + raw_path

    def room(self) -> None:
        """No place is left, or one is free again, or this was the last request."""
        self._runner.watch()

    def over(self, exchange: Exchange, error: BaseException | None) -> None:
        self._over(exchange, error)

    current_task = staticmethod(asyncio.current_task)

    @staticmethod
    async def await_it(awaitable):
        return await awaitable


class AcceleratedLoop(Loop):
    def _new_outbox(self):
        return Outbox(self.loop.call_soon, wire.RESPONSE_FD, self._worker.page)

    def _new_intake(self) -> Intake:
        return AcceleratedIntake(self, self._worker)

    def _new_inbound(self):
        return Inbound(wire.RESPONSE_FD, self.exchanges, self.incoming)
