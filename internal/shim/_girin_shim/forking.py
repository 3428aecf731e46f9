"""Forks workers that are the master's children, not this process's.

A worker is forked by a child that ends at once: the master adopts orphans, so it
becomes the worker's parent. Threads of this process are not in the worker, as
under gunicorn.
"""
from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from os import fork, waitpid  # gevent replaces them
from time import sleep

from . import descriptors, signals, wire
from .errors import flush_streams

RESERVED = range(wire.CONTROL_FD, wire.CONTROL_FD + 40)  # numbers that workers' descriptors may get
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOOK_AGAIN = 0.0002  # s
ARBITER, TEMPLATE, WORKER = b"girin-arbiter", b"girin-preload", b"girin-worker"  # the last argument in ps


def reserve() -> int:
    """Keeps the numbers of RESERVED from being taken; returns the control socket's new one."""
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    control = fcntl(wire.CONTROL_FD, F_DUPFD_CLOEXEC, RESERVED.stop)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for number in RESERVED:
        if number != null:
            os.dup2(null, number, False)
    if null not in RESERVED:
        os.close(null)
    return control


def fork_orphan(master: int) -> int:
    """Forks a child of the master's; returns its process id, and 0 in it."""
    flush_streams()
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
        pid = int.from_bytes(os.read(told, 4), sys.byteorder)
    finally:
        os.close(told)
        try:
            waitpid(child, 0)
        except ChildProcessError:
            pass  # SIGCHLD is ignored: the kernel has waited
    if pid == 0:
        raise OSError("fork failed")
    return pid


def as_child(die_with_parent: Callable[[], None]) -> None:
    """Makes a forked process what a started one is, but for its descriptors."""
    for name in ("SIGABRT", "SIGWINCH", "SIGCHLD", *signals.TELL, *signals.END):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    die_with_parent()
    descriptors.show()
    _forget_children()
    _begin_gevent_anew()


def inherit(fds: list[int]) -> None:
    """Gives what came the numbers that it has in any worker."""
    fds = [_out_of_the_way(fd) for fd in fds]
    for number, fd in enumerate(fds, wire.CONTROL_FD):
        os.dup2(fd, number, False)
        os.close(fd)
    for number in RESERVED[len(fds) :]:
        _close(number)


def _out_of_the_way(fd: int) -> int:
    """Where the file has closed descriptors, what comes gets their numbers."""
    if fd >= RESERVED.stop:
        return fd
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    higher = fcntl(fd, F_DUPFD_CLOEXEC, RESERVED.stop)
    os.close(fd)
    return higher


def _close(number: int) -> None:
    try:
        os.close(number)
    except OSError:
        pass  # the file has done so


def _forget_children() -> None:
    """multiprocessing would end them when a worker ends: they are the arbiter's."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        process._children = set()


def _begin_gevent_anew() -> None:
    """Its loop is the parent's, where the file or the app has begun to use it."""
    gevent = sys.modules.get("gevent")
    if gevent is not None and hasattr(gevent, "reinit"):
        gevent.reinit()


def dies_with_parent() -> Callable[[], None]:
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


def rename(before: bytes, after: bytes) -> None:
    """Changes the last argument that ps shows to one that is not longer."""
    try:
        import ctypes

        with open("/proc/self/cmdline", "rb") as file:
            arguments = file.read()
        with open("/proc/self/stat", "rb") as file:
            start = int(file.read().rpartition(b")")[2].split()[45])  # arg_start, the 48th field
        if arguments.endswith(b"\0" + before + b"\0"):
            at = start + len(arguments) - len(before) - 1
            ctypes.memmove(at, after.ljust(len(before), b"\0"), len(before))
    except (ImportError, OSError, ValueError, IndexError):
        pass  # the name is for people only
