"""Keeps code of the user's from closing the shim's own descriptors.

Under gunicorn there are none of these numbers: what closes all descriptors that there
are (os.closerange(3, 256), as recipes for daemons do) closes nothing that it needs. So
while code of the user's gets the process ready, for os.close and os.closerange the
shim's own are not there. Whoever closes them by other means, or while requests run, is
told (check).
"""
from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

_close, _closerange = os.close, os.closerange
_own: set[int] = set()
_opened: set[int] = set()  # of these what the last step has opened
_needed: dict[int, tuple[int, int]] = {}  # by which requests come and go: each with what it is


class Closed(Exception):
    """Descriptors are gone without which the process cannot go on."""


def hide(numbers: Iterable[int]) -> None:
    """Takes these as the shim's own, besides those before, until show is called."""
    _own.update(numbers)
    if os.close is _close:  # else it is ours, or the user's, who has put something before it
        os.close = close
    if os.closerange is _closerange:
        os.closerange = closerange


def hide_opened(step: Callable):
    """Runs a step of the shim's, and takes as its own what that has opened."""
    before = _listed()
    result = step()
    _opened.clear()
    _opened.update(number for number, _ in _listed() - before)
    _own.update(_opened)
    return result


def replace_opened(step: Callable):
    """Runs a step before which, or in whose course, or later, what the last one has opened is closed."""
    _own.difference_update(_opened)
    check()
    return hide_opened(step)


def _listed() -> set[tuple[int, str]]:
    """What is open, and what it is: the step may close some whose numbers others get."""
    listed = set()
    try:
        for name in os.listdir("/proc/self/fd"):
            try:
                listed.add((int(name), os.readlink("/proc/self/fd/" + name)))
            except OSError:
                pass  # that of the folder itself
    except OSError:
        pass
    return listed


def show() -> None:
    """None is the shim's own any more: this is a child of the user's, or requests are about to
    come, for which os.close is Python's own again."""
    _own.clear()
    _needed.clear()
    if os.close is close:
        os.close = _close
    if os.closerange is closerange:
        os.closerange = _closerange


def need(numbers: Iterable[int]) -> None:
    """From now on these are missed, also where something else has got the number of one: without
    them the process would live on and serve nothing."""
    _needed.update((number, _what_is(number)) for number in numbers)


def check() -> None:
    """Raises Closed if some of the shim's own were closed nevertheless."""
    if text := closed():
        raise Closed(text)


def closed() -> str:
    """Says which of the shim's own were closed nevertheless; "": none."""
    gone = [number for number in sorted(_own) if not _what_is(number)]
    gone += [number for number, what in sorted(_needed.items()) if _what_is(number) != what]
    if not gone:
        return ""
    return f"Descriptors that the server needs were closed ({', '.join(map(str, gone))}): leave open what the process has not opened itself."


def _what_is(number: int) -> tuple[int, int] | None:
    """None: it is not open."""
    try:
        about = os.fstat(number)
    except OSError:
        return None
    return about.st_dev, about.st_ino


def close(fd) -> None:
    """In the place of os.close."""
    if isinstance(fd, int) and fd in _own:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    _close(fd)


def closerange(fd_low, fd_high, /) -> None:
    """In the place of os.closerange."""
    for kept in sorted(_own):
        if fd_low <= kept < fd_high:
            _closerange(fd_low, kept)
            fd_low = kept + 1
    _closerange(fd_low, fd_high)
