"""Starts tasks whose first step runs at once, without a turn of the loop.

Nearly all requests end in their first step, so that this saves most of what a
task costs. It also means that a packet is read only when the one before has begun:
a loop that is held up has nothing in hand that another could have taken.
"""
from __future__ import annotations

import asyncio
import sys

_NATIVE = sys.version_info >= (3, 12)


class Starter:
    """Before CPython 3.12 no task can be started so. There the loop's call_soon
    is replaced while the task is made, and hands over what it is to put off."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._put_off: list[tuple] = []

    def start(self, coro) -> None:
        """Runs coro's first step as a task, which holds itself from then on."""
        loop = self._loop
        if loop.get_task_factory() is not None:  # the app's tasks are to be made its way
            loop.create_task(coro)
        elif _NATIVE:
            asyncio.Task(coro, loop=loop, eager_start=True)
        else:
            self._start_captured(coro)

    def _start_captured(self, coro) -> None:
        loop = self._loop
        put_off = self._put_off
        loop.call_soon = self._capture
        try:
            task = asyncio.Task(coro, loop=loop)
        finally:
            del loop.call_soon
        while put_off:
            callback, args, context = put_off.pop()
            if getattr(callback, "__self__", None) is task:
                context.run(callback, *args)
            else:  # of a finalizer that the garbage collector ran meanwhile
                loop.call_soon(callback, *args, context=context)

    def _capture(self, callback, *args, context=None) -> None:
        self._put_off.append((callback, args, context))
