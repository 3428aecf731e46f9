"""What an app finds of an event loop while it is imported, and what it leaves.

uvicorn imports apps within the loop that serves them; gunicorn before there is one. Here it
is before, and what only uvicorn's way allows works too: an app that needs a running loop is
imported once more, within one, and a loop that it has made the thread's own is the one
that serves: what it has bound to it would work with no other.
"""
from __future__ import annotations

import asyncio
import sys

from .. import detect
from ..importing import import_app

_ASKED_IN_VAIN = ("no running event loop", "no current event loop")


def current() -> asyncio.AbstractEventLoop | None:
    """The main thread's loop, if it has one. Before Python 3.14 a question in public makes one."""
    if sys.version_info < (3, 14):
        return getattr(getattr(asyncio.get_event_loop_policy(), "_local", None), "_loop", None)
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None


def left_by_app(before: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop | None:
    """The loop that has taken the place of the one before, and can run."""
    loop = current()
    return loop if loop is not None and loop is not before and serves(loop) else None


def serves(loop: asyncio.AbstractEventLoop) -> bool:
    """Can it be run here? The app may have closed it, or runs it in a thread of its own."""
    return not loop.is_closed() and not loop.is_running()


def wants_loop(error: BaseException) -> bool:
    """Is this how an import fails that needs a running loop?"""
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _ASKED_IN_VAIN)


def import_within(loop: asyncio.AbstractEventLoop, settings, first: BaseException):
    """Imports the app in the running loop; raises the first attempt's error where that is no ASGI app's."""

    async def running():
        return import_app(settings.app, "asgi", settings.paste_global)

    app = loop.run_until_complete(running())
    if not detect.is_asgi(app):
        raise first
    return app
