"""A template: imports the app once, and forks workers from itself when the master asks.

It serves nothing. A worker is forked by a child that ends at once, so that the
master, which adopts orphans, becomes its parent. What the app has started by then,
threads above all, is not in the workers, as with gunicorn's --preload.
"""
from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from os import fork, waitpid  # gevent replaces them
from time import monotonic_ns, sleep

from . import boot, signals, wire
from .configfile import ConfigFile
from .control import Control
from .importing import import_app, set_paths
from .settings import Settings

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOOK_AGAIN = 0.0002  # s


def main(loaded: Callable[[], None]) -> None:
    """Ends with the master; in a worker it returns as boot.main does."""
    os.dup2(wire.CONTROL_FD, wire.SHIM_FD, False)  # its number must stay free
    signals.ignore(signals.TELL + signals.END)
    control = Control()
    hello = control.hello()
    began = monotonic_ns()
    try:
        settings = Settings(hello)
        for fd in range(wire.CONTROL_FD, wire.LANE_FD + settings.lanes + len(settings.accelerators)):
            os.set_inheritable(fd, False)
        reinit = boot.patch(settings.worker_class)
        set_paths(settings)
        ConfigFile(settings).apply()
        app = import_app(settings.app)
        die_with_parent = _dies_with_parent()
    except BaseException as e:
        boot.broken(control, e, str(hello.get("app")))
    # Collections would write to what is shared.
    gc.collect()
    gc.freeze()
    control.send_json(wire.READY, {"import_ms": (monotonic_ns() - began) / 1e6})
    fds = _serve(control)
    signals.restore(signals.END)
    die_with_parent()
    reinit()
    _inherit(fds)
    boot.main(loaded, app)


def _serve(control: Control) -> list[int]:
    """Returns in each worker, with the descriptors that it inherits."""
    master = os.getppid()
    while True:
        op, fds = control.receive_fds()
        if op != wire.FORK:
            raise wire.ProtocolError(f"control message of kind {op} to a template")
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = _fork_orphan(master)
        except OSError as e:
            control.send(wire.FORKED, payload=str(e).encode())
        else:
            if pid == 0:
                control.detach()
                return fds
            control.send(wire.FORKED, pid)
        for fd in fds:
            os.close(fd)


def _fork_orphan(master: int) -> int:
    """Forks a child of the master's; returns its process id, and 0 in it."""
    told, tell = os.pipe()
    child = fork()
    if child == 0:
        try:
            parent = os.getpid()
            pid = fork()
            if pid == 0:
                os.close(told)
                os.close(tell)
                os.setpgid(0, 0)
                while os.getppid() == parent:
                    sleep(_LOOK_AGAIN)
                if os.getppid() != master:
                    os._exit(1)
                return 0
            os.write(tell, pid.to_bytes(4, sys.byteorder))
        except BaseException:
            os._exit(1)
        os._exit(0)
    os.close(tell)
    try:
        waitpid(child, 0)
        pid = int.from_bytes(os.read(told, 4), sys.byteorder)
    finally:
        os.close(told)
    if pid == 0:
        raise OSError("fork failed")
    return pid


def _dies_with_parent() -> Callable[[], None]:
    """Returns what makes the kernel end this process when its parent ends."""
    master = os.getppid()
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, AttributeError, OSError):
        return lambda: None  # the control thread notices it, unless something holds the GIL

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != master:
            os._exit(1)

    return arm


def _inherit(fds: list[int]) -> None:
    """Gives what came the numbers that it has in any worker."""
    if min(fds) < wire.CONTROL_FD + len(fds):
        raise wire.ProtocolError("the app has closed descriptors that are not its own")
    for number, fd in enumerate(fds, wire.CONTROL_FD):
        os.dup2(fd, number, False)
        os.close(fd)
    os.close(wire.SHIM_FD)
