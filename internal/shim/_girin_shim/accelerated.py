"""The classes sync and gthread with their inner loop in C.

The C code (accelerator/girin.h) serves the requests that nearly all are, and
hands an exchange over to the classes here as soon as it is anything else.
"""
from __future__ import annotations

from io import BytesIO
from itertools import chain
from time import sleep

from . import wire
from ._girin import Loop
from ._girin import Slot as NativeSlot  # loaded by accelerator.new_runner
from .exchange import Exchange
from .files import FileWrapper
from .heads import Head
from .shortage import SHORT_WAIT
from .threads import Threads, ThreadSlot


class AcceleratedSlot(NativeSlot, ThreadSlot):
    """A thread's slot. Of NativeSlot are lead, flush, step_down and the tails."""

    def __init__(self, worker, index: int, leadership, loop: Loop) -> None:
        super().__init__(worker, index, leadership)
        self.out = loop.bind(self, index)

    # What the C code calls.

    def serve_packet(self, packet: bytes, began: int) -> None:
        """Runs a request that the C code leaves alone from its start."""
        self.serve(packet, wire.REQUEST.unpack_from(packet), began)

    def adopt(self, environ, id, began, window, quick, is_head, cpu_began, head, state, sent, watched) -> Exchange:
        """Returns the exchange that goes on where the C code stopped.

        environ is None after the request has ended; head is None or what Head
        takes; cpu_began is -1 if that is not measured; watched is Exchange.watched.
        """
        exchange = Exchange(self, id, began, window, quick, bool(is_head))
        if environ is not None:
            self.environ = environ
        if head is not None:
            exchange.head = Head(*head)
        if cpu_began >= 0:
            exchange.cpu_began = cpu_began
        exchange.state = state
        exchange.sent = sent
        exchange.watched = watched
        return exchange

    def resume(self, exchange: Exchange, result) -> None:
        """Answers with what the app returned."""
        try:
            if type(result) is list or type(result) is tuple:
                exchange.whole(result)
            else:
                exchange.stream(result)
        except BaseException as e:
            self._failed(exchange, e)
        finally:
            self._end(exchange)

    def resume_stream(self, exchange: Exchange, blocks: tuple, rest) -> None:
        """Answers with the rest of an iterable."""
        self.resume(exchange, chain(blocks, rest))

    def fail(self, exchange: Exchange, error: BaseException) -> None:
        """The app raised error."""
        try:
            self._failed(exchange, error)
        finally:
            self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        self.environ = {}
        if exchange.gate is not None:
            exchange.release()


class AcceleratedThreads(Threads):
    """Threads whose slots lead in C."""

    def _new_slots(self, count: int) -> list[ThreadSlot]:
        leadership = self._leadership
        loop = Loop(self._worker, leadership, wire.RESPONSE_FD, BytesIO, FileWrapper, wire.ProtocolError)
        return [AcceleratedSlot(self._worker, i, leadership, loop) for i in range(count)]

    def _lead(self, slot: AcceleratedSlot) -> bool:
        while True:
            try:
                return slot.lead()
            except MemoryError:
                if self._worker.page[slot.cell] or not self._leadership.locked():
                    raise
                sleep(SHORT_WAIT)  # between two requests: nothing was read
