"""Runs one request after another: a thread's, or a greenlet's, place to work.

A slot owns two cells of the state page and a batch of finished frames. Each
worker class decides which slot a packet goes to and when the batch is sent.
"""
from __future__ import annotations

import io
from io import BytesIO
from time import monotonic_ns, thread_time_ns

from . import clientsocket, page, wire
from .errors import ERROR, INFO, WARNING, describe, uri
from .exchange import Exchange
from .gates import ThreadGate
from .shortage import patiently
from .streamed import ClientDisconnected, Input, StreamedBody

_joined = wire.JOINED
_unusual = wire.IN_ARENA | wire.SPOOLED | wire.MEASURE_CPU | wire.STREAMED
_QUICK = wire.QUICK
_FLAG_MASK = wire.FLAG_MASK

_NONE: dict = {}

SLOW_TAIL = 1_000_000  # ns; a close() that takes longer must not hold answers back
WARY_TAILS = 256  # after one such, so many answers are sent before their close()


class Slot:
    """held is true while this slot will look at its batch again at once."""

    ident = 0  # the thread that runs this slot's requests

    def __init__(self, worker, index: int) -> None:
        self.worker = worker
        self.cell = page.cell(index)
        self.out: list[bytes] = []
        self.held: list[bool] = []
        self.environ = _NONE  # of the request that runs, for the log
        self._wary = 0
        self._tail_began = 0
        if worker.settings.request_hooks:
            from .requesthooks import hooked

            self.serve = hooked(self)

    def serve(self, packet: bytes, head: tuple, began: int) -> None:
        """Runs one request whole; its last frame may still be in the batch. MemoryError is
        raised only if the request has no answer, and there is no memory for a failed one either."""
        form, flags, base, _, window, id, environ_size, body_size, _ = head
        worker = self.worker
        try:
            exchange = Exchange(self, id, began, window, flags & _QUICK, False)
        except MemoryError:
            exchange = patiently(Exchange, self, id, began, window, flags & _QUICK, False)
        if worker.flags[id & _FLAG_MASK]:
            exchange.drop()
            return
        result = None
        try:
            environ = worker.bases[base].copy()
            if flags & _unusual or form != _joined:
                if not self._unpack_unusual(packet, head, environ, exchange):
                    exchange.release()
                    return
            else:
                end = 32 + environ_size
                if len(packet) != end + body_size:
                    raise wire.ProtocolError("the request's lengths are not those of its packet")
                texts = packet[32:end].decode("latin-1").split("\0")
                if len(texts) & 1:
                    raise wire.ProtocolError("the environ block's keys and values do not pair")
                pairs = iter(texts)
                environ.update(zip(pairs, pairs))
                environ["wsgi.input"] = BytesIO(packet[end:]) if body_size else BytesIO()
            environ["wsgi.early_hints"] = exchange.early_hints
            if environ["REQUEST_METHOD"] == "HEAD":
                exchange.is_head = True
        except MemoryError as e:
            self._failed(exchange, e)
            exchange.release()
            return
        self.environ = environ
        if worker.watched:
            exchange.watched = before = []
            for name in worker.watched:
                before.append(environ.get(name))
        try:
            result = worker.app(environ, exchange.start_response)
            if worker.forked:
                worker.leave_child()
            if exchange.client is not None and exchange.head is None:
                result = self._after_socket(result, exchange)
            if type(result) is list or type(result) is tuple:
                exchange.whole(result)
                return
            exchange.stream(result)
        except BaseException as e:
            if exchange.client is not None and type(e) in clientsocket.ANSWERED:
                exchange.switched()
            else:
                self._failed(exchange, e)
        finally:
            self.environ = _NONE
            if exchange.client is not None:
                self.take_socket_back(environ)
            if exchange.gate is not None:
                exchange.release()
        if result is not None:
            self._close(result, environ)

    def _unpack_unusual(self, packet: bytes, head: tuple, environ: dict, exchange: Exchange) -> bool:
        """Fills environ of any packet; False: cancelled while the body was fetched."""
        form, flags, _, _, _, _, environ_size, body_size, at = head
        if flags & wire.IN_ARENA:
            data = self.worker.arena.copy(at, environ_size + body_size)
        else:
            data = packet[wire.REQUEST_HEAD :]
        if len(data) != environ_size + body_size:
            raise wire.ProtocolError("the request's lengths are not those of its packet")
        if form == wire.JOINED:
            environ.update(wire.joined_environ(data[:environ_size]))
        elif form == wire.LENGTHS:
            environ.update(wire.lengths_environ(data[:environ_size]))
        else:
            raise wire.ProtocolError(f"request of the unknown form {form}")
        if flags & wire.MEASURE_CPU and self.ident:
            exchange.cpu_began = thread_time_ns()
            if self.worker.page[wire.PAGE_PARALLEL]:
                self.worker.look_at_gil()
        if flags & wire.UPGRADE:
            if not exchange.fetch():
                exchange.drop()
                return False
            try:
                self.give_socket(environ, exchange)
            except OSError as e:  # no descriptor is left
                self._failed(exchange, e)
                return False
            return True
        if flags & wire.STREAMED:
            environ["wsgi.input"] = Input(StreamedBody(exchange))
            return True
        if not flags & wire.SPOOLED:
            environ["wsgi.input"] = BytesIO(data[environ_size:])
            return True
        fetched = exchange.fetch()
        if fetched:
            environ["wsgi.input"] = Input(exchange.spool)
        else:
            exchange.drop()
        return fetched

    def _close(self, result, environ: dict) -> None:
        """Calls the iterable's close(), if it has one, once; the answer is out already."""
        try:
            close = result.close
        except AttributeError:
            return
        except BaseException as e:
            self.close_failed(e, environ)
        else:
            try:
                close()
            except BaseException as e:
                self.close_failed(e, environ)
        if self.worker.forked:
            self.worker.leave_child()
        self.after_tail()

    def close_failed(self, error: BaseException, environ: dict) -> None:
        try:
            self.log(ERROR, f"Error closing the response of {uri(environ)}\n{describe(error)}")
        except MemoryError:
            pass

    def _failed(self, exchange: Exchange, error: BaseException) -> None:
        if self.worker.forked:
            self.worker.leave_child()
        if type(error) is wire.ProtocolError:
            raise error
        try:
            if isinstance(error, ClientDisconnected):
                self.log(INFO, f"{uri(self.environ)}: {error}")
            else:
                self.log(ERROR, f"Error handling request {uri(self.environ)}\n{describe(error)}{_note(error, self.worker)}")
        except MemoryError:
            pass  # not even for a line; the client is told
        patiently(exchange.fail)
        self.flush()

    # What an exchange asks of its slot.

    def flush(self) -> None:
        if self.out:
            self.worker.response.flush(self.out)

    def before_tail(self, quick: int) -> None:
        """The answer is complete; the iterable's last next() and close() follow.

        The answer may wait for the batch only if those are quick too.
        """
        if quick and self.held and not self._wary:
            self._tail_began = monotonic_ns()
            return
        if self._wary:
            self._wary -= 1
            self._tail_began = monotonic_ns()
        self.flush()

    def after_tail(self) -> None:
        """The iterable's close() has returned."""
        if self._tail_began:
            if monotonic_ns() - self._tail_began > SLOW_TAIL:
                self._wary = WARY_TAILS
            self._tail_began = 0

    def step_down(self) -> None:
        """The request is about to wait for long: others may lead."""

    def new_gate(self):
        return ThreadGate()

    def _after_socket(self, result, exchange: Exchange):
        """The blocks of an app that has not begun an answer: it has spoken on the client's socket."""
        try:
            blocks = list(result)
        finally:
            self._close(result, self.environ)
        if exchange.head is None:
            exchange.switched()
        return blocks

    def give_socket(self, environ: dict, exchange: Exchange) -> None:
        """Puts the client's socket where apps that speak WebSocket look for it."""
        clientsocket.give(environ, exchange)

    def take_socket_back(self, environ: dict) -> None:
        """The app has done with what give_socket gave."""

    def read_pipe(self, pipe: io.FileIO, buffer) -> int:
        """Reads what there is of a body, and waits for it; 0: its end."""
        self.flush()
        self.step_down()
        return pipe.readinto(buffer)

    def warn(self, text: str) -> None:
        self.log(WARNING, f"{uri(self.environ)}: {text}")

    def log(self, level: int, text: str) -> None:
        self.worker.control.log(level, text)


def _note(error: BaseException, worker) -> str:
    if not issubclass(type(error), (SystemExit, KeyboardInterrupt)):
        return ""
    if worker.quitting:
        return "\nThe worker got INT or QUIT: it ends, and the request that it ran failed."
    return f"\nThe app raised {type(error).__name__} in a request: the request failed, the worker goes on."
