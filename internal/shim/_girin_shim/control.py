"""The control socket, and the native thread that reads it.

The thread never runs app code, so a busy or streaming leader cannot deadlock.
It uses only functions taken before monkey-patching: under gevent it is a real
thread beside the loop's, and enters the loop through the class's own means.
"""
from __future__ import annotations

import array
import json
import os
import socket
from _thread import start_new_thread
from socket import SocketType
from time import sleep  # taken before gevent replaces it

from . import wire
from .shortage import LEFT_OUT, SHORT_OF_MEMORY, SHORT_WAIT
from .stacks import format_stacks

_SCM_RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_TRUNCATED = socket.MSG_TRUNC | socket.MSG_CTRUNC
_MAX_FDS = 64  # that a template gets with one message
_MAX_LOG = 64 << 10  # bytes of one log message


def no_request() -> int:
    return 0


class Control:
    """Sends messages from any thread; each is one packet and thus whole."""

    def __init__(self, fd: int = wire.CONTROL_FD) -> None:
        self._socket = SocketType(fileno=fd)
        self._socket.setblocking(True)
        self._expects_end = False
        self.about = no_request  # which request a line of the log is about

    # Sending.

    def send(self, op: int, n: int = 0, id: int = 0, payload: bytes = b"", fd: int = -1) -> bool:
        """Sends a message; False: the descriptor with it cannot be passed, or this socket is closed."""
        rights = [(*_SCM_RIGHTS, array.array("i", [fd]))] if fd >= 0 else []
        while True:
            try:
                self._socket.sendmsg([wire.CONTROL.pack(op, n, id), payload], rights)
                return True
            except ConnectionError:
                return True  # the master is gone: the control thread ends this process
            except OSError as e:
                if rights and e.errno not in SHORT_OF_MEMORY:
                    return False  # closed by the app, or too many are under way
                if e.errno not in SHORT_OF_MEMORY:
                    return False  # the app has closed what is not its own: as if the master were gone
            sleep(SHORT_WAIT)

    def send_json(self, op: int, value: dict) -> bool:
        return self.send(op, payload=json.dumps(value).encode())

    def log(self, level: int, text: str) -> bool:
        """Hands text to the master's error log, cut to what one message holds."""
        data = text.encode("utf-8", "backslashreplace")
        if len(data) > _MAX_LOG:
            half = _MAX_LOG // 2
            cut = f"\n... {len(data) - 2 * half} bytes left out ...\n".encode()
            data = data[:half] + cut + data[-half:]
        return self.send(wire.LOG, level, self.about(), data)

    def idle(self) -> None:
        """Says that nothing runs and nothing will; the master may close now."""
        self._expects_end = True
        self.send(wire.IDLE)

    # Reading.

    def hello(self) -> dict:
        """Waits for the first message, which must be Hello."""
        op, _, _, payload, _ = self._receive(wire.MAX_CONTROL)
        if op != wire.HELLO:
            raise wire.ProtocolError(f"the first control message is of kind {op}, not Hello")
        return json.loads(payload)

    def receive_fds(self) -> tuple[int, bytes, list[int]]:
        """Waits for a message that brings descriptors; returns its kind, its payload and them."""
        op, _, _, payload, fds = self._read(wire.MAX_CONTROL, _MAX_FDS)
        return op, payload, fds

    def start(self, worker) -> None:
        """Starts the control thread."""
        start_new_thread(self._run, (worker,))

    def _receive(self, size: int) -> tuple[int, int, int, bytes, int]:
        """The last is a descriptor, or -1."""
        *message, fds = self._read(size, 1)
        return (*message, fds[0] if fds else -1)

    def _read(self, size: int, most_fds: int) -> tuple[int, int, int, bytes, list[int]]:
        data, ancillary, flags, _ = self._socket.recvmsg(size, socket.CMSG_SPACE(4 * most_fds), _CLOEXEC)
        if not data:
            if self._expects_end:
                raise SystemExit
            os._exit(1)  # the master is gone
        fds = array.array("i")
        for level, kind, rights in ancillary:
            if (level, kind) == _SCM_RIGHTS:
                fds.frombytes(rights[: len(rights) & ~3])
        if flags & _TRUNCATED == socket.MSG_CTRUNC and not fds and data[0] == wire.BODY_FILE:
            fds.append(LEFT_OUT)
            flags = 0
        if len(data) < wire.CONTROL_HEAD or flags & _TRUNCATED:
            raise wire.ProtocolError(f"control message of {len(data)} bytes, flags {flags:#x}")
        return (*wire.CONTROL.unpack_from(data), data[wire.CONTROL_HEAD :], fds.tolist())

    def _run(self, worker) -> None:
        try:
            while True:
                self._handle(worker, *self._receive(wire.MAX_PACKET))
        except SystemExit:
            pass
        except BaseException as e:
            worker.fatal(e)

    def _handle(self, worker, op: int, n: int, id: int, payload: bytes, fd: int) -> None:
        runner = worker.runner
        if op == wire.CREDIT:
            runner.credit(id, n)
            if n == wire.CANCELLED and worker.flags[id & wire.FLAG_MASK] == wire.FLAG_END:
                runner.end(id)
        elif op == wire.PROMOTE:
            runner.promote()
        elif op == wire.TERM:
            worker.term()
        elif op == wire.DRAIN:
            worker.time_to_end = n / 1000 or worker.time_to_end
            runner.drain()
        elif op == wire.BODY_FILE:
            if fd == -1 or len(payload) != wire.BODY.size:
                raise wire.ProtocolError("a Body message without its descriptor or length")
            if fd == LEFT_OUT:
                runner.body_left_out(id)
            else:
                runner.body_came(id, fd)
        elif op == wire.PING:
            runner.check()
            self.send(wire.PONG, n)
        elif op == wire.DUMP:
            text = format_stacks(worker, id).encode("utf-8", "backslashreplace")
            self.send(wire.STACKS, 0, id, text[:_MAX_LOG])
        elif op == wire.LANES:
            runner.select(n)
        else:
            raise wire.ProtocolError(f"control message of the unknown kind {op}")

    def close(self) -> None:
        """Closes the descriptor, in a forked child."""
        self._socket.close()
