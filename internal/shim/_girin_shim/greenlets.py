"""The class gevent: a greenlet per request, on the real gevent.

Everything here runs in the main thread's loop, but for promote, drain, select
and a gate's open, which the control thread calls: they only put a function
into a queue and wake the loop through its async watcher, the one thing in
gevent that another thread may touch.

All slots share one batch of answers. It is sent as soon as no quick packet
that was read waits for its greenlet to begin, so an answer is held back by at
most one turn of the loop.
"""
from __future__ import annotations

import os
from collections import deque
from time import monotonic_ns

from . import clientsocket, descriptors, geventsocket, wire
from .runner import Runner
from .slot import Slot
from .stacks import age, app_stack, merged

TO_QUIT = 0.1  # s that greenlets have when the worker got INT or QUIT, as in gunicorn
READ_AT_ONCE = 8  # quick packets per turn of the loop; of others one, so that workers share them

_READ = 1  # libev's EV_READ


def patch() -> None:
    """Makes Python's waiting functions gevent's, before the app is imported."""
    from gevent import monkey, reinit

    monkey.patch_all()
    reinit()  # a loop that was used before a fork is the parent's


class GreenletSlot(Slot):
    def __init__(self, worker, index: int, runner: Greenlets) -> None:
        super().__init__(worker, index)
        self._runner = runner
        self.out = runner.out
        self.held = runner.pending
        self.greenlet = None

    def new_gate(self):
        return GreenletGate(self._runner)

    def read_pipe(self, pipe, buffer) -> int:
        self.flush()
        while (count := pipe.readinto(buffer)) is None:
            self._runner.wait_readable(pipe.fileno())
        return count


    def give_socket(self, environ: dict, exchange) -> None:
        clientsocket.give(environ, exchange, self._runner.whole_socket)
        if (server := self._runner.socket_server()) is not None:
            server.give(environ, exchange.client)

    def take_socket_back(self, environ: dict) -> None:
        if (server := self._runner.socket_server()) is not None:
            server.take_back(environ)


class GreenletGate:
    """See gates.ThreadGate: the same for greenlets."""

    def __init__(self, runner: Greenlets) -> None:
        self._runner = runner
        self._event = runner.new_event()

    def wait(self) -> None:
        self._event.wait()
        self._event.clear()

    def open(self) -> None:
        self._runner.call(self._event.set)


class Greenlets(Runner):
    """Runs up to --worker-connections requests at once until the lanes are stopped."""

    interruptible = False

    def __init__(self, worker) -> None:
        self._socket_server: list = []  # of one, once it was asked for
        self._worker = worker
        self.out: list[bytes] = []
        self.pending: list[bool] = []  # one for each quick packet whose greenlet has not begun
        self.slots = [GreenletSlot(worker, i, self) for i in range(worker.settings.slots)]
        self._free = self.slots[::-1]
        self._calls: deque = deque()
        self._watchers: list = []
        self._async = None  # set by init_process, as is all that is gevent's

    def init_process(self) -> None:
        patch()
        import gevent
        import gevent.event
        import gevent.util
        import greenlet

        self.modules = {"gevent": gevent.__version__, "greenlet": greenlet.__version__}
        self._gevent = gevent
        self.whole_socket = _whole_socket()
        self.new_event = gevent.event.Event
        self._overdue = type("RequestOverdue", (gevent.GreenletExit,), {})
        self._ended = gevent.event.Event()
        self._loop = descriptors.hide_opened(gevent.get_hub).loop
        self._async = self._loop.async_()

    def socket_server(self):
        """Of gevent-websocket, if that is installed; made when it is first wanted."""
        if not self._socket_server:
            self._socket_server.append(geventsocket.new_server(self._worker.app))
        return self._socket_server[0]

    def body_came(self, id: int, fd: int) -> None:
        os.set_blocking(fd, False)
        super().body_came(id, fd)

    def wait_readable(self, fd: int) -> None:
        """Lets other greenlets run until the descriptor can be read."""
        watcher = self._loop.io(fd, _READ)
        try:
            self._gevent.get_hub().wait(watcher)
        finally:
            watcher.close()

    def run(self) -> None:
        """Returns after Drain, when all requests have ended."""
        self._async.start(self._run_calls)
        self._async.send()  # what the control thread asked for meanwhile
        self._watch()
        while not self._ended.is_set():
            try:
                self._ended.wait()
            except BaseException as e:
                self._worker.survive(e)

    # What the control thread calls.

    def call(self, function) -> None:
        """Runs the function in the loop, if there is none yet once run begins."""
        self._calls.append(function)
        if self._async is not None:
            self._async.send()

    def check(self) -> None:
        super().check()
        if self._async is not None:
            self._async.send()  # gevent's os.close closes in the loop's next turn, which nothing else may bring about

    def promote(self) -> None:
        """No greenlet leads; but a busy one may hold the batch back."""
        if self.out:
            self._worker.response.flush(self.out)

    def end(self, id: int) -> None:
        """Ends the greenlet of a request that was given up long ago and still waits for something."""
        self.call(lambda: self._end(id))

    def drain(self) -> None:
        self._worker.lanes.stop()
        clientsocket.end_all(self._worker.exchanges)
        self.call(self._watch)

    def select(self, mask: int) -> None:
        self._worker.lanes.select(mask)
        self.call(self._watch)

    def describe(self, id: int) -> str:
        """The stacks of the greenlets, that of request id first, and those that the app has begun itself last."""
        if self._async is None:
            return ""
        worker, first, others = self._worker, [], []
        ours = {slot.greenlet: slot for slot in self.slots if slot.greenlet is not None}
        for greenlet, slot in ours.items():
            current, frame = worker.page[slot.cell], greenlet.gr_frame  # no frame: it is what the main thread runs
            if current and frame is not None:
                title = f"Greenlet of request {current}, running for {age(worker, slot):.3f} s"
                (first if current == id else others).append((title, app_stack(frame)))
        trees = list(self._gevent.util.GreenletTree.forest())
        while trees:
            tree = trees.pop()
            trees += tree.child_trees
            frame = getattr(tree.greenlet, "gr_frame", None)
            if frame is not None and tree.greenlet not in ours:
                others.append((f"Greenlet {getattr(tree.greenlet, 'name', '')}", app_stack(frame)))
        return "\n".join(merged(first) + merged([part for part in others if part[1]]))

    def quit(self, hastens: bool) -> None:
        self.call(lambda: self._gevent.spawn_later(TO_QUIT, self._abandon))

    # In the loop.

    def _abandon(self) -> None:
        self.abandons = True
        self._ended.set()

    def _end(self, id: int) -> None:
        for slot in self.slots:
            if self._worker.page[slot.cell] == id and slot.greenlet is not None:
                slot.greenlet.kill(self._overdue("the request runs longer than --timeout allows"), block=False)

    def _run_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _watch(self) -> None:
        """Watches the lanes that are to be read, if a slot is free to take a packet."""
        for watcher in self._watchers:
            watcher.stop()
            watcher.close()
        lanes = self._worker.lanes
        active = lanes.active if self._free else ()
        self._watchers = [self._loop.io(fd, _READ) for fd in active]
        for watcher in self._watchers:
            watcher.start(self._readable)
        if lanes.stopped and len(self._free) == len(self.slots):
            self._ended.set()

    def _readable(self) -> None:
        try:
            if self._worker.forked:  # the child of an app's fork: nothing here is its own
                self._watch()
                return
            for _ in range(READ_AT_ONCE):
                if not self._take():
                    return
        except BaseException as e:
            self._worker.fatal(e)

    def _take(self) -> bool:
        """Reads a packet and starts its greenlet; false: enough for this turn."""
        worker = self._worker
        try:
            packet = os.read(worker.lanes.first, wire.MAX_PACKET)
        except OSError:  # the lane is empty, or there is none to read first
            packet = b""
        if not packet:
            packet = worker.lanes.read()
            if packet is None:
                if not worker.lanes.active:
                    self._watch()
                return False
        head = wire.REQUEST.unpack_from(packet)
        slot = self._free.pop()
        worker.page[slot.cell + 1] = monotonic_ns()
        worker.page[slot.cell] = head[5]
        if worker.lifetime:
            worker.count(head[5])
        if head[1] & wire.QUICK:
            self.pending.append(True)
        slot.greenlet = self._gevent.spawn(self._serve, slot, packet, head)
        if not self._free:
            self._watch()
            return False
        return bool(head[1] & wire.QUICK)

    def _serve(self, slot: GreenletSlot, packet: bytes, head: tuple) -> None:
        """One request's greenlet."""
        try:
            if head[1] & wire.QUICK:
                self.pending.pop()
            elif self.out:
                slot.flush()
            page = self._worker.page
            page[slot.cell + 1] = began = monotonic_ns()
            slot.serve(packet, head, began)
            page[slot.cell] = 0
            slot.greenlet = None
            if self.out and not self.pending:
                slot.flush()
            self._free.append(slot)
            if len(self._free) == 1 or self._worker.lanes.stopped:
                self._watch()
        except BaseException as e:
            self._worker.fatal(e)


def _whole_socket() -> type:
    """The class of sockets whose send() sends all, as a thread's does: simple-websocket relies on it."""
    import gevent.lock
    import gevent.socket

    class WholeSocket(gevent.socket.socket):
        __slots__ = ("_turn",)

        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            self._turn = gevent.lock.RLock()  # of several greenlets one after the other

        def send(self, data, flags=0) -> int:
            view = memoryview(data).cast("B")
            sent = 0
            with self._turn:
                while sent < len(view):
                    sent += super().send(view[sent:], flags)
            return sent

        sendall = send

    return WholeSocket
