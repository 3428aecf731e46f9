"""Reads packets from the lanes and runs each as a task."""
from __future__ import annotations

import asyncio
import os
from time import monotonic_ns

from .. import boot, wire
from ..shortage import patiently
from . import threadtime
from .eager import Starter
from .http import Exchange, describe
from .scope import Scopes, from_environ, joined, with_lengths
from .socket import Socket
from .steps import Steps

# Of packets that are known to be quick so many are read in a turn of the loop, and for
# so long; of others one, so that workers share them. Then other callbacks have their turn.
READ_AT_ONCE = 64
READ_FOR = 1_000_000  # ns; as long an answer may wait for those of the packets after its own

# So often, and after each packet that is not known to be quick, other loops that wait
# for packets are let before this one.
TURNS = 16


JOB_ID = "girin.job.id"  # only jobs have it, which come where $GIRIN_JOBS is set


class Intake:
    """Of one loop; see Loop for what it asks of it."""

    socket = Socket
    exchange = Exchange

    def __init__(self, runner, worker) -> None:
        self._runner = runner
        self._worker = worker
        self._outbox = runner.outbox
        self._start = Starter(runner.loop).start
        self._takes_turns: bool = runner.takes_turns
        self._turns = 0
        self._app = None
        self._scopes: Scopes | None = None
        self._threads_measured = False

    def serve(self, app, scopes: Scopes) -> None:
        """What is read from now on is for this app."""
        self._app = app
        self._scopes = scopes
        self._threads_measured = threadtime.watch(self._runner.loop)
        if os.environ.get(wire.JOBS):  # not where this module is loaded: the arbiter does that before the variable is there
            self._job_of = boot._late("asgi.job").job_of

    def read(self) -> None:
        """Something can be read."""
        outbox = self._outbox
        outbox.hold()
        self._turns += 1
        try:
            ends = monotonic_ns() + READ_FOR
            for _ in range(READ_AT_ONCE):
                if not self._take() or monotonic_ns() > ends:
                    break
            if self._takes_turns and self._turns >= TURNS:
                self._turns = 0
                self._runner.go_last()
            if not self._runner.has_room():
                self._runner.watch()  # what waits in the lanes would wake this loop again and again
        except BaseException as e:
            self._worker.fatal(e)
        outbox.release()

    def _take(self) -> bool:
        """Reads a packet and runs its first step; false: enough for this turn."""
        worker = self._worker
        if worker.forked:
            worker.leave_child()
        if not self._runner.has_room():
            return False
        packet = worker.lanes.read()
        if packet is None:
            self._runner.watch()
            return False
        head = wire.REQUEST.unpack_from(packet)
        if worker.lifetime:
            worker.count(head[5])
        quick = head[1] & wire.QUICK
        if not quick:
            self._outbox.flush()  # what is finished does not wait for it
            self._turns = TURNS
        self.begin(packet, head)
        return bool(quick)

    def take_open(self, packet: bytes) -> None:
        """Begins what this loop was given; there is room."""
        worker = self._worker
        worker.page[wire.PAGE_OPENED] += 1  # first: what is counted no other loop begins
        if worker.forked:
            worker.leave_child()
        head = wire.REQUEST.unpack_from(packet)
        if worker.lifetime:
            worker.count(head[5])
        self.take_packet(packet)

    def take_packet(self, packet: bytes) -> None:
        """Begins the request of a packet that did not come by a lane."""
        self.begin(packet, wire.REQUEST.unpack_from(packet))

    def begin(self, packet: bytes, head: tuple) -> None:
        """Runs the first step of a request that was read, or was placed here."""
        _, flags, base, _, window, id, _, _, _ = head
        runner = self._runner
        slot = runner.take_slot(id)
        try:
            parts, body, environ = self._unpack(packet, head)
        except MemoryError:  # a large one, perhaps: the others go on
            self._fail_without_memory(self.exchange(runner, slot, id, window, False))
            return
        if flags & wire.UPGRADE and flags & wire.STREAMED:
            flags &= ~(wire.UPGRADE | wire.STREAMED)  # it came when nobody knew the app yet: it cannot become a WebSocket any more
        websocket = bool(flags & wire.UPGRADE)
        exchange: Exchange | Socket
        if websocket:
            exchange = self.socket(runner, slot, id, window)
        else:
            exchange = self.exchange(runner, slot, id, window, parts[0] == b"HEAD")
            exchange.body = body
            exchange.measured = bool(flags & wire.MEASURE_CPU)
            exchange.fetches, exchange.by_pipe = bool(flags & (wire.SPOOLED | wire.STREAMED)), bool(flags & wire.STREAMED)
        exchange.name = parts[0] + b" " + parts[4]
        runner.began(exchange)
        if runner.cancelled(id):
            exchange.drop()
            runner.ended(exchange)
            return
        scope = self._scopes.make(parts, base, websocket)
        app = self._app
        if JOB_ID in environ:
            app = self._job_of(app, runner, environ, exchange, scope)
        task = self._run(app, exchange, scope)
        task = self._steps(task, exchange)
        try:
            self._start(task)
        except BaseException as e:  # of a task factory of the app's
            task.close()
            if exchange.id in runner.exchanges:
                self._over(exchange, e)

    def _steps(self, task, exchange):
        return Steps(task, exchange, self._worker.page)

    def _fail_without_memory(self, exchange: Exchange) -> None:
        self._runner.began(exchange)
        exchange.fail()
        self._runner.ended(exchange)
        try:
            self.tell_shortage()
        except MemoryError:
            pass  # not even for a line; the client is told

    def tell_shortage(self) -> None:
        self._runner.log(40, "There was no memory for a request: it failed before the app")

    def _unpack(self, packet: bytes, head: tuple) -> tuple[list[bytes], bytes, dict[str, str]]:
        """The strings of its scope, its body, and its environ if it was packed as for WSGI."""
        form, flags, base, _, _, _, block_size, body_size, at = head
        if flags & wire.IN_ARENA:
            data = self._worker.arena.copy(at, block_size + body_size)
        else:
            data = packet[wire.REQUEST_HEAD :]
        if len(data) != block_size + body_size:
            raise wire.ProtocolError("the request's lengths are not those of its packet")
        if form == wire.ASGI_JOINED:
            return joined(data[:block_size]), data[block_size:], {}
        if form == wire.ASGI_LENGTHS:
            return with_lengths(data[:block_size]), data[block_size:], {}
        if form == wire.JOINED:
            environ = wire.joined_environ(data[:block_size])
        elif form == wire.LENGTHS:
            environ = wire.lengths_environ(data[:block_size])
        else:
            raise wire.ProtocolError(f"request of the unknown form {form}")
        return from_environ({**self._worker.bases[base], **environ}), data[block_size:], environ

    async def _run(self, app, exchange, scope: dict) -> None:
        """One request's task. Nothing that the app does ends the loop."""
        exchange.task = asyncio.current_task()
        if exchange.measured and self._threads_measured:
            exchange.thread_time = [0]
            threadtime.used.set(exchange.thread_time)
        error: BaseException | None = None
        try:
            await app(scope, exchange.receive, exchange.send)
        except BaseException as e:
            error = e
        try:
            self._over(exchange, error)
        except BaseException as e:
            self._worker.fatal(e)

    def _over(self, exchange, error: BaseException | None) -> None:
        """The app has returned, or raised error."""
        if error is not None and not exchange.excuses(error):
            try:
                self._runner.log(40, f"Error handling request {self._runner.target(exchange)}\n{describe(error)}")
            except MemoryError:
                pass  # not even for a line; the client is told
            if isinstance(error, asyncio.CancelledError) and self._runner.abandon(exchange):
                return
        patiently(exchange.app_ended, error)
        self._runner.ended(exchange)
