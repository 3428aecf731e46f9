"""The class asgi: requests are tasks of one event loop, in the main thread.

No transport of asyncio is used: the loop waits for the lanes, for what the
master says on the response socket, and for bodies that come by a descriptor of
their own. Packets wait in the lane until the loop reads: one that is late does
not read, and other workers' loops take what it would have delayed.

Answers that are finished in one turn of the loop go out together at its end.
A request's first step runs when its packet is read (see eager.py).
The control thread calls promote, drain, select and what Control._handle does
with an exchange: all of it only enters the loop by call_soon_threadsafe.
"""
from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from .. import descriptors, detect, wire
from ..heads import Heads
from ..shortage import LEFT_OUT
from .http import ENDED, NOTHING, Exchange
from .inbound import CREDITED, OPEN, Inbound
from .intake import Intake
from .lifespan import Lifespan
from .outbox import Outbox
from .scope import Scopes
from .selector import LaneSelector
from .socket import Socket
from .waiting import WaitingHeads
from .watch import Watch
from .wrapping import passes_files

# Of the time to end in a quarter, and no more than so many seconds, is kept for the end of the
# process, and as much before it for the app's shutdown.
TO_END, FOR_SHUTDOWN = 2, 3
SHUTDOWN_LEAST = 0.5  # s
TO_QUIT = 1.0  # s that tasks have when the worker got INT or QUIT
TO_HEAR = 0.1  # s: who waits in receive is told before it is cancelled, whatever the grace period


class Loop:
    """Runs up to --worker-connections requests and sockets at once until the lanes are stopped."""

    interruptible = abandons = False  # see Runner

    def __init__(self, worker, event_loop: asyncio.AbstractEventLoop | None = None) -> None:
        settings = worker.settings
        self.modules: dict[str, str] = {}
        self.heads: Heads = worker.heads
        self.raises_disconnect = settings.asgi_spec == "2.5"
        self.loop, self._selector = (event_loop, None) if event_loop is not None else self._new_loop(settings.asgi_loop)
        asyncio.set_event_loop(self.loop)
        self._worker = worker
        self._settings = settings
        self.free = list(range(settings.slots))[::-1]
        self.slots = [_Place(i) for i in range(settings.slots)]
        self.exchanges: dict[int, Exchange | Socket] = {}
        self.outbox = self._new_outbox()
        self.put = self.outbox.put
        self.intake = self._new_intake()
        self._watched: tuple[int, ...] = ()
        self._heads = WaitingHeads(self.loop)
        self.keep_head = self._heads.add
        self.draining = False
        self._cancels = self._quits = False  # the time of those that run is over; and INT or QUIT came
        self._left = 0  # requests that run no more and stay unanswered
        self._ends = 0.0  # while draining: when the time to end in is over, by the loop's clock
        self._idle = self.loop.create_future()  # done when the lanes are stopped and no request runs
        self._lifespan: Lifespan | None = None
        self._inbound: Inbound | None = None
        self._opens: deque[bytes] = deque()  # packets that were given to this loop and have no place yet

    def _new_loop(self, name: str) -> tuple[asyncio.AbstractEventLoop, LaneSelector | None]:
        if name in ("auto", "uvloop"):
            try:
                import uvloop
            except ImportError:
                if name == "uvloop":
                    raise
            else:
                self.modules["uvloop"] = uvloop.__version__
                return uvloop.new_event_loop(), None
        selector = LaneSelector()
        return asyncio.SelectorEventLoop(selector), selector

    def _new_outbox(self) -> Outbox:
        return Outbox(self.loop, self._worker.response)

    def _new_intake(self) -> Intake:
        return Intake(self, self._worker)

    def _new_inbound(self) -> Inbound:
        return Inbound(wire.RESPONSE_FD, self)

    # The worker's life.

    def init_process(self) -> None:
        """See Runner."""

    def startup(self, app) -> None:
        """Runs the app's startup; raises LifespanFailed if it must not serve."""
        asyncio.set_event_loop(self.loop)  # again: the app may have run another one to its end
        app = detect.version3(app)
        self._lifespan = Lifespan(app, self._settings.lifespan, self.log)
        self.loop.run_until_complete(self._lifespan.startup())
        self.intake.serve(app, Scopes(self._settings, self._lifespan.state, passes_files(app)))

    def run(self) -> None:
        """Returns after Drain, when the last request has ended and the app's shutdown is done."""
        self._inbound = self._new_inbound()
        self.loop.add_reader(wire.RESPONSE_FD, self._hear)
        self.watch()
        Watch(self, self._worker).start()
        self._run_until(self._idle)
        self._run_until(self.loop.create_task(self._shutdown()))
        self.loop.close()

    def _run_until(self, future: asyncio.Future) -> None:
        """Goes on where a handler of SIGTERM exits in the loop, or stops it as programs do that run it themselves: requests still run."""
        while not future.done():
            try:
                self.loop.run_until_complete(future)
            except (SystemExit, KeyboardInterrupt, RuntimeError):
                if not self._worker.told(signal.SIGTERM) or self.loop.is_closed():
                    raise
        future.result()

    async def _shutdown(self) -> None:
        left = self._ends - self.loop.time() if self.draining else self._settings.graceful_timeout
        await self._lifespan.shutdown(max(left, SHUTDOWN_LEAST))
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1)
        await self.loop.shutdown_asyncgens()  # after the tasks, as asyncio does: one that runs cannot be closed
        self.outbox.flush()

    # What the control thread calls.

    def check(self) -> None:
        """See Runner."""
        descriptors.check()

    def promote(self) -> None:
        """Nobody can take over what runs; but what is finished goes out."""
        self.outbox.flush()

    def drain(self) -> None:
        self._worker.lanes.stop()
        self._enter(self._begin_drain)

    def quit(self, hastens: bool) -> None:
        """See Runner. What runs is cancelled; the app's shutdown has its turn."""
        self._worker.time_to_end = TO_QUIT
        self._enter(self._begin_quit)

    def select(self, mask: int) -> None:
        self._worker.lanes.select(mask)
        self._enter(self._watch_anew)

    def credit(self, id: int, n: int) -> None:
        self._enter(self._credit, id, n)

    def end(self, id: int) -> None:
        """Request id must end at once: it took too long."""
        self._enter(self._cancel, id)

    def body_came(self, id: int, fd: int) -> None:
        self._enter(self._body_came, id, fd)

    def body_left_out(self, id: int) -> None:
        self._enter(self._body_came, id, LEFT_OUT)

    def _enter(self, function: Callable, *args) -> None:
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop is closed: the worker has ended

    # In the loop: what comes.

    def _begin_drain(self) -> None:
        if self.draining:
            return
        self.draining = True
        if self._inbound is not None:
            self._hear()  # what was given to this loop before
        limit = self._worker.time_to_end
        limit -= min(limit / 4, TO_END)
        self._ends = self.loop.time() + limit
        self.loop.call_later(limit - min(limit / 3, FOR_SHUTDOWN), self._cancel_all)
        sockets = [exchange for exchange in self.exchanges.values() if isinstance(exchange, Socket)]
        for i, one in enumerate(sockets):  # not all clients shall come back at once
            self.loop.call_later(min(self._settings.ws_drain, limit / 2) * i / len(sockets), one.close_soon)
        self.watch()

    def _begin_quit(self) -> None:
        if self._quits:
            return
        self._cancels = self._quits = True
        self.loop.call_later(TO_QUIT / 2, self._abandon)
        for exchange in self.exchanges.values():
            if isinstance(exchange, Socket):
                exchange.close_soon()
            elif exchange.task is not None:
                exchange.task.cancel()

    def _abandon(self) -> None:
        self._cancel_all()
        self.abandons = True
        if not self._idle.done():
            self._idle.set_result(None)

    def _cancel_all(self) -> None:
        """The time of those that run is over; the app's shutdown needs the rest."""
        self._cancels = True
        for exchange in self.exchanges.values():
            if exchange.task is not None:
                exchange.task.cancel()

    def watch(self) -> None:
        """Watches the lanes that are to be read, if there is room for what comes."""
        if self._opens and self.free:
            self.loop.call_soon(self._take_opens)  # no task can be started within another one
        lanes = self._worker.lanes
        wanted = lanes.active if self.free else ()
        if wanted != self._watched:
            self._register(wanted)
        if lanes.stopped and len(self.exchanges) == self._left and not self._opens and not self._idle.done():
            self._idle.set_result(None)

    def _watch_anew(self) -> None:
        """Also notices what lies in the lanes and another loop was woken for."""
        self._register(())
        self.watch()

    def _register(self, wanted: tuple[int, ...]) -> None:
        for fd in self._watched:
            self.loop.remove_reader(fd)
        self._watched = wanted
        if self._selector is not None:
            self._selector.lanes = frozenset(wanted)
        for fd in wanted:
            self.loop.add_reader(fd, self.intake.read)

    def busy(self) -> bool:
        """Does a request run? From any thread."""
        return len(self.free) < len(self.slots)

    # What the intake asks for.

    def has_room(self) -> bool:
        return bool(self.free)

    def take_slot(self, id: int) -> int:
        """Notes in the state page that request id runs, and where."""
        slot = self.free.pop()
        cell = self.slots[slot].cell
        page = self._worker.page
        page[cell + 1] = monotonic_ns()
        page[cell] = id
        return slot

    @property
    def takes_turns(self) -> bool:
        """Is it always the same of several loops that the kernel would wake?"""
        return self._settings.multiprocess and self._selector is not None and self._selector.exclusive

    def go_last(self) -> None:
        self._selector.go_last()

    def began(self, exchange) -> None:
        self.exchanges[exchange.id] = exchange

    def ended(self, exchange) -> None:
        """Its place is free for another."""
        del self.exchanges[exchange.id]
        exchange.task = None
        if exchange.judge is not None:
            exchange.judge.cancel()  # it would hold all that the exchange has
        self._worker.page[self.slots[exchange.slot].cell] = 0
        self.free.append(exchange.slot)
        if len(self.free) == 1 or self._worker.lanes.stopped:
            self.watch()

    def abandon(self, exchange: Exchange | Socket) -> bool:
        """Leaves a request unanswered that was cancelled since the worker ends; false: it has an answer. The master
        tells its client, and if it is a job it is not over, as one that has failed would be: it may run again."""
        if not self._cancels or isinstance(exchange, Socket) or exchange.state == ENDED or exchange.state != NOTHING and not self._quits:
            return False
        self.abandons = True
        self._left += 1
        exchange.task = None
        self.watch()
        return True

    # In the loop: what the master says.

    def _credit(self, id: int, n: int) -> None:
        exchange = self.exchanges.get(id)
        if exchange is None:
            return
        if n != wire.CANCELLED:
            exchange.grant(n)
        elif not exchange.gone:
            exchange.left()
            self.loop.call_later(self._settings.disconnect_grace, self._cancel, id)

    def _cancel(self, id: int) -> None:
        """The app had its time to end after its client had left."""
        exchange = self.exchanges.get(id)
        if exchange is not None and exchange.task is not None:
            exchange.task.cancel()

    def expect_awareness(self, socket: Socket) -> None:
        """The app of a socket whose client has left may take as long as it likes to end, once it knows."""
        socket.judge = self.loop.call_later(max(self._settings.disconnect_grace, TO_HEAR), self._cancel_unaware, socket, socket.unread())

    def _cancel_unaware(self, socket: Socket, before: int) -> None:
        """Before is how much was unread a grace period ago."""
        if socket.aware or socket.task is None:
            return
        if socket.unread() < before:
            self.expect_awareness(socket)
        else:
            socket.task.cancel()

    def _body_came(self, id: int, fd: int) -> None:
        exchange = self.exchanges.get(id)
        if exchange is not None:
            exchange.body_came(fd)
        elif fd != LEFT_OUT:
            os.close(fd)

    def _hear(self) -> None:
        try:
            self._inbound.read()
        except BaseException as e:
            self._worker.fatal(e)  # what else it has said is lost
        self.outbox.flush_soon()  # after the tasks that now go on, in the same turn

    def incoming(self, kind: int, id: int, code: int, data: bytes) -> None:
        """A frame of the master's on the response socket; see Inbound."""
        exchange = self.exchanges.get(id)
        if kind == CREDITED:
            if exchange is not None:
                exchange.grant(int.from_bytes(data, "little"))
        elif isinstance(exchange, Socket):
            exchange.incoming(kind, code, data)
        elif kind == OPEN:
            self._opens.append(data)
            self._take_opens()

    def _take_opens(self) -> None:
        try:
            while self._opens and self.free:
                self.intake.take_open(self._opens.popleft())
        except BaseException as e:
            self._worker.fatal(e)  # nobody else will begin it: the master has it counted

    # What exchanges ask for.

    def cancelled(self, id: int) -> bool:
        return self._worker.flags[id & wire.FLAG_MASK] != 0

    def send_file(self, exchange: Exchange, head, part) -> bool:
        """Hands a regular file to the master as the whole body; false: it must be read here."""
        if not part.regular:
            return False
        frame = wire.FRAME.pack(exchange.id, exchange.began, 0, wire.NOT_MEASURED, len(head.block), 0, wire.RESPONSE, wire.FINAL, head.fields)
        message = wire.FILE.pack(part.offset, part.length) + frame + head.block
        if len(message) + wire.CONTROL_HEAD > wire.MAX_CONTROL:
            return False
        self.outbox.flush()
        self._worker.control.send(wire.FILE_BODY, 0, exchange.id, message, part.fd)
        return True

    async def in_thread(self, function: Callable, *args):
        """What a disk may make wait for."""
        return await self.loop.run_in_executor(None, function, *args)

    def forget(self, fd: int) -> None:
        self.loop.remove_reader(fd)

    def target(self, exchange) -> str:
        return exchange.name.decode("latin-1")

    def log(self, level: int, text: str) -> None:
        self._worker.control.log(level, text)

    def describe(self, id: int) -> str:
        """The stacks of the tasks, that of request id first."""
        first = self.exchanges.get(id)
        texts = []
        for exchange in sorted(self.exchanges.values(), key=lambda e: e is not first):
            frames = exchange.task.get_stack(limit=20) if exchange.task is not None else []
            places = "".join(f'  File "{f.f_code.co_filename}", line {f.f_lineno}, in {f.f_code.co_name}\n' for f in frames)
            texts.append(f"Task of {self.target(exchange)}:\n{places}")
        return "\n".join(texts)


class _Place:
    """A request's two cells of the state page."""

    ident = 0  # tasks belong to no thread

    def __init__(self, index: int) -> None:
        self.cell = wire.PAGE_FIRST_SLOT + 2 * index
