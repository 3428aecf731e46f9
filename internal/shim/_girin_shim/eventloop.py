"""The class gaiohttp: an asyncio loop, on which a WSGI app blocks.

One request at a time, in the main thread. The app may reach the loop and put
tasks on it; they run between requests.
"""
from __future__ import annotations

import asyncio
import os
from threading import get_ident
from time import monotonic_ns

from . import wire
from .runner import Runner
from .slot import Slot

READ_AT_ONCE = 16  # packets until the loop's other tasks get a turn


class EventLoop(Runner):
    """Runs requests on an event loop until the lanes are stopped."""

    def __init__(self, worker) -> None:
        self.modules: dict[str, str] = {}
        self._worker = worker
        self._slot = Slot(worker, 0)
        self._slot.ident = get_ident()
        self._slot.held.append(True)  # _readable looks at the batch again
        self.slots = [self._slot]
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._ended = self._loop.create_future()
        self._watched: tuple[int, ...] = ()

    def body_came(self, id: int, fd: int) -> None:
        os.set_blocking(fd, True)  # a pipe's end was the master's
        super().body_came(id, fd)

    def run(self) -> None:
        """Returns after Drain, when the last request has ended."""
        self._watch()
        while not self._ended.done():
            try:
                self._loop.run_until_complete(self._ended)
            except BaseException as e:
                self._worker.survive(e)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    # What the control thread calls.

    def promote(self) -> None:
        """Nobody can take over; but a long request may hold the batch back."""
        if self._slot.out:
            self._worker.response.flush(self._slot.out)

    def end(self, id: int) -> None:
        """Nothing ends what the loop runs: the master replaces the worker."""

    def drain(self) -> None:
        self._worker.lanes.stop()
        self._loop.call_soon_threadsafe(self._watch)

    def select(self, mask: int) -> None:
        self._worker.lanes.select(mask)
        self._loop.call_soon_threadsafe(self._watch)

    # In the loop.

    def _watch(self) -> None:
        """Watches the lanes that are to be read."""
        for fd in self._watched:
            self._loop.remove_reader(fd)
        self._watched = self._worker.lanes.active
        for fd in self._watched:
            self._loop.add_reader(fd, self._readable)
        if self._worker.lanes.stopped and not self._ended.done():
            self._ended.set_result(None)

    def _readable(self) -> None:
        try:
            for _ in range(READ_AT_ONCE):
                if not self._take():
                    break
            self._slot.flush()
        except BaseException as e:
            self._worker.fatal(e)

    def _take(self) -> bool:
        """Reads a packet and runs its request."""
        worker, slot = self._worker, self._slot
        try:
            packet = os.read(worker.lanes.first, wire.MAX_PACKET)
        except OSError:  # the lane is empty, or there is none to read first
            packet = b""
        if not packet:
            packet = worker.lanes.read()
            if packet is None:
                if worker.lanes.active != self._watched:
                    self._watch()
                return False
        head = wire.REQUEST.unpack_from(packet)
        began = monotonic_ns()
        worker.page[slot.cell + 1] = began
        worker.page[slot.cell] = head[5]
        if worker.lifetime:
            worker.count(head[5])
        if not head[1] & wire.QUICK:
            slot.flush()
        slot.serve(packet, head, began)
        worker.page[slot.cell] = 0
        return True
