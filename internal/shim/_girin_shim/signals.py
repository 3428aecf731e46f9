"""Signals that are for the master and may come to every process of a service, as `systemctl kill` sends them."""
from __future__ import annotations

import os
import signal
from _thread import get_ident  # gevent replaces threading's
from collections.abc import Callable

from .errors import calls_the_app, is_own

TELL = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU")
END = ("SIGTERM", "SIGINT", "SIGQUIT")


def ignore(names: tuple[str, ...]) -> None:
    """By a handler in Python: a program that the app starts does not inherit it."""
    for name in names:
        signal.signal(getattr(signal, name), _nothing)


def restore(names: tuple[str, ...]) -> None:
    for name in names:
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def settle_in_children(settle: Callable[[], None]) -> None:
    """Calls settle in each child that Python forks from here. What ends a process is blocked until it has
    returned: a signal that came before would run this process's handler in the child, or be forgotten."""
    masks: dict[int, set] = {}  # by thread
    ends = [getattr(signal, name) for name in END]

    def before() -> None:
        masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, ends)

    def after() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop(get_ident()))

    def in_child() -> None:
        settle()
        after()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=in_child)


def die_by(number: int) -> None:
    """Lets a signal mean what it means to any process."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def guard(failed: Callable[[BaseException], None], told: Callable[[int], bool]) -> None:
    """Keeps what the app's handlers raise, those set by now, out of the shim's own code:
    failed is told of it. Into a request that they interrupt they may raise, unless it was the
    server that told the worker of that signal."""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if is_of_app(handler):
            signal.signal(number, _guarded(handler, failed, told))


def _guarded(handler: Callable, failed: Callable[[BaseException], None], told: Callable[[int], bool]) -> Callable:
    def guarded(number: int, frame):
        try:
            return handler(number, frame)
        except BaseException as e:
            if in_app(frame) and not told(number):
                raise
            failed(e)

    guarded.of_app = True
    return guarded


def is_of_app(handler) -> bool:
    """Is it a handler in Python that the app has set?"""
    code = getattr(handler, "__code__", None)
    return callable(handler) and (code is None or not is_own(code) or hasattr(handler, "of_app"))


def in_app(frame) -> bool:
    """Was it code of the app's that the signal interrupted?"""
    interrupted = frame
    while frame is not None and not is_own(frame.f_code):
        frame = frame.f_back
    return frame is not None and frame is not interrupted and calls_the_app(frame.f_code)


def _nothing(number: int, frame) -> None:
    pass


def is_ignored(number: int) -> bool:
    return signal.getsignal(number) is _nothing
