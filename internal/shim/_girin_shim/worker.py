"""What the parts of one worker process share, put together."""
from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
from _thread import get_ident  # gevent replaces threading's
from collections import deque
from itertools import islice
from time import monotonic_ns

from . import descriptors, signals, wire
from .errors import CRITICAL, ERROR, ErrorStream, LogStream, describe, flush_streams, raised_by_handler
from .files import FileWrapper
from .heads import Heads
from .lanes import Lanes
from .noting import NOTE
from .page import Arena, state_page
from .response import ResponseSocket

OFTEN, SOON = 10, 1_000_000_000  # times within so many ns are too often to survive
SAME_QUIT = 500_000_000  # ns within which INT and QUIT count as one: a service's processes get the manager's, and the master's

EXIT_INTERNAL = 70  # EX_SOFTWARE: a fault of the shim or of the protocol

_is_gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)  # from 3.13 on


class Worker:
    """Owns the protocol's descriptors and the state of the requests that run."""

    def __init__(self, control, settings) -> None:
        self.control = control
        self.settings = settings
        self.app = None
        self.runner = None
        self.hooks = None
        self.heads = Heads()
        self.exchanges: dict = {}  # by id: those that may wait for the control thread
        self._survived: deque[int] = deque(maxlen=OFTEN)  # ns: when something was
        self.forked: list[int] = []  # not empty in a child that the app forked
        self.serving = False
        self.quitting = 0  # ns: when it got INT or QUIT
        self._told = False  # the master said that the server ends, or that this worker shall
        self._heard = False  # this worker ends since its app's own handler of a signal said so, or has passed SIGTERM on
        self._main_thread = get_ident()
        self._leaving = False
        self.time_to_end: float = settings.graceful_timeout  # s, once it drains
        self.lifetime = settings.lifetime  # packets that may still be read; 0: any number
        self.response = ResponseSocket()
        self.page = state_page(wire.PAGE_FD, settings.slots)
        self.arena = Arena(wire.ARENA_FD)
        self.flags = self.arena.flags
        self.lanes = Lanes(settings.lanes)
        self.bases = [self._base(base) for base in settings.bases]
        self.watched = [sys.intern(name) for name in settings.log_changes]
        self.notes = [NOTE + name.lower() for name in settings.log_changes]  # what a note of each is called
        signals.settle_in_children(self._after_fork)
        self.handle_signals()

    def _base(self, listener: dict[str, str]) -> dict:
        settings = self.settings
        base = {
            "SCRIPT_NAME": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": LogStream(self.control.log) if settings.capture else ErrorStream(),
            "wsgi.multithread": settings.multithread,
            "wsgi.multiprocess": settings.multiprocess,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
            **listener,
        }
        return _roomy(base)

    def handle_signals(self) -> None:
        """Again after post_fork: as under gunicorn no handler that it sets stays."""
        for number in (signal.SIGCHLD, signal.SIGWINCH):
            signal.signal(number, signal.SIG_DFL)
        signals.ignore(signals.TELL)
        signal.signal(signal.SIGTERM, self._on_term)
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_quit)

    def descriptors(self) -> list[int]:
        """Those that must stay open."""
        return [wire.CONTROL_FD, wire.RESPONSE_FD, *self.lanes.descriptors()]

    def look_at_gil(self) -> bool:
        """Tells the master if threads compute at once here, and returns whether there is a GIL. A
        module that is imported late may turn it on, even where Python was built without one."""
        gil = _is_gil_enabled()
        self.page[wire.PAGE_PARALLEL] = not gil
        return gil

    def slots(self) -> list:
        return self.runner.slots

    def greenlet_stacks(self, id: int) -> str:
        """The stacks that belong to no thread, of request id first."""
        describe = getattr(self.runner, "describe", None)
        return describe(id) if describe is not None else ""

    def count(self, id: int) -> None:
        """A packet was read, and noted where that is possible; called by who reads, only where there is a lifetime."""
        if self.flags[id & wire.FLAG_MASK]:
            return  # nobody waits for it: clients that leave would use up one worker after the other
        self.lifetime -= 1
        if not self.lifetime:
            self.spend()

    def spend(self) -> None:
        """Reads no more: the packet in hand is the last."""
        self.runner.drain()
        self.control.send(wire.RETIRE, wire.SPENT)

    def retire(self) -> None:
        """Asks the master for another worker in this one's place."""
        self.control.send(wire.RETIRE)

    def _on_term(self, number: int, frame) -> None:
        """As in gunicorn the worker ends when its requests have. systemd, for one, signals all processes of a service."""
        if self.forked:  # a child of the app's
            signals.die_by(number)
        elif not self._told:  # else it ends anyway, and the app's handler has passed the signal on
            self._heard = True
            self.retire()

    def _on_quit(self, number: int, frame) -> None:
        """INT or QUIT, as in gunicorn: the worker_int hook, then SystemExit, where it is the app that the
        main thread runs. A KeyboardInterrupt, or that, in the shim's own code would break its state."""
        if self.forked:
            signals.die_by(number)
            return
        now = monotonic_ns()
        if self.quitting:
            if now - self.quitting > SAME_QUIT:
                self.leave()
            elif self.serving and self.hastens():
                self.runner.quit(True)
            return
        self.quitting = now
        if self.hooks is not None:
            self.hooks.worker_int()
        if not self.serving:
            self.leave(number)
        self.runner.drain()
        self.control.send(wire.RETIRE, wire.TOLD)
        self.runner.quit(self.hastens())
        if self.runner.interruptible and signals.in_app(frame):
            if not self.control.about():
                raise SystemExit(0)
            if self.hastens():  # a job: one that raises has failed for good, and one whose worker ends may run again
                self.leave()

    def term(self) -> None:
        """The server ends, or this worker is to: of a gunicorn worker, which gets SIGTERM then, the app's own
        handler is called, if it has one; so it is here, in the main thread and while requests go on. It is not
        called again where the worker ends because of it."""
        if not self._told and not self._heard and self.serving and signals.is_of_app(signal.getsignal(signal.SIGTERM)):
            self._told = True
            signal.pthread_kill(self._main_thread, signal.SIGTERM)

    def told(self, number: int) -> bool:
        """Does a handler that is called for this signal hear that the worker ends?"""
        return self._told and number == signal.SIGTERM and not self.forked

    def hastens(self) -> bool:
        """Does the server end at once?"""
        return self.quitting != 0 and self.page[wire.PAGE_QUIT] != 0

    def note_end(self) -> None:
        """What is registered with atexit runs: once."""
        self._leaving = True

    def leave(self, number: int | None = None, code: int = 0) -> None:
        """Ends now, whatever still runs: by a signal if one is given."""
        if self._leaving:  # a signal came while it does
            os._exit(code)
        self._leaving = True
        try:
            if self.hooks is not None:
                self.hooks.worker_exit()
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else code
        try:
            atexit._run_exitfuncs()
        except BaseException:
            pass  # before 3.10 the last of what they raised, which was told
        flush_streams()
        if number is not None:
            signals.die_by(number)
        os._exit(code)

    def survive(self, error: BaseException) -> None:
        """Goes on after what a signal's handler of the app's raised in the main thread, outside of a
        request; raises anything else again. One that wants the process to end is obeyed when its requests have.
        What comes again and again is no handler's: an event loop cannot wait any more."""
        if not raised_by_handler(error):
            raise error
        if not issubclass(type(error), (SystemExit, KeyboardInterrupt)):
            now = monotonic_ns()
            self._survived.append(now)
            if len(self._survived) == OFTEN and now - self._survived[0] < SOON:
                self.fatal(error, "since its loop cannot wait any more. Did the app close descriptors that it has not opened itself?")
        self.note_handler(error)

    def note_handler(self, error: BaseException) -> None:
        if self.forked:
            raise error  # gevent's loop goes on in a child of the app's, whose handler may end it
        if self._told and issubclass(type(error), (SystemExit, KeyboardInterrupt)):
            return  # which it does anyway, when its requests have ended
        self.control.log(ERROR, f"A signal's handler of the app raised outside of a request\n{describe(error)}")
        if issubclass(type(error), (SystemExit, KeyboardInterrupt)):
            self._heard = True
            self.retire()

    def fatal(self, error: BaseException, why: str = "on a fault of its own:") -> None:
        """Ends the process at once: its state cannot be trusted."""
        if self.forked:
            self.leave_child()
        try:
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            text = descriptors.closed() or f"Worker {os.getpid()} ends {why}\n{text.rstrip()}"
            if not self.control.log(CRITICAL, text):
                os.write(2, f"girin: {text}\n".encode("utf-8", "backslashreplace"))
        finally:
            os._exit(EXIT_INTERNAL)

    def _after_fork(self) -> None:
        """The child of an app's fork: it must never read or answer a request."""
        if self.forked:
            return
        self.forked.append(os.getpid())
        descriptors.show()
        self.control.close()
        self.response.close()
        self.lanes.close()

    def leave_child(self) -> None:
        """A forked child came back from the app into the server."""
        flush_streams()
        text = f"girin: the app forked and the child (pid {os.getpid()}) returned into the server; it ends here\n"
        os.write(2, text.encode())
        os._exit(0)


def _roomy(base: dict) -> dict:
    """Returns an equal dict whose copies need not grow when variables are added.

    CPython makes room for all that update() brings, whether or not it was there
    already, and a copy is as large.
    """
    roomy = dict(islice(base.items(), 10))
    roomy.update(base)
    return roomy
