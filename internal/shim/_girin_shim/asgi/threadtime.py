"""The CPU time of threads that a request has work done in, and how many calls want such threads.

A request finds the place for the time in its context, which whoever sends work to a thread
takes along: to the loop's executors, and to those of anyio, where FastAPI and Starlette
run what is written with def. Of the latter there are so many (40) for all requests.
"""
from __future__ import annotations

import functools
import inspect
import sys
from _thread import get_ident
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from time import thread_time_ns

used: ContextVar[list[int] | None] = ContextVar("girin_thread_time", default=None)


class Shared:
    """The threads that anyio has for all requests."""

    thread = 0  # the loop's: loops of the app's in other threads have threads of their own
    wanted = 0  # calls that have one or wait for one
    there = 0  # how many there may be, as far as was asked; 0: nobody has wanted any

    def look(self) -> None:
        """Asks how many there may be: an app may have changed that."""
        tokens = sys.modules["anyio.to_thread"].current_default_thread_limiter().total_tokens
        self.there = int(min(tokens, MOST))

    def cell(self) -> int:
        """As the state page has it."""
        return min(self.wanted, MOST) << 32 | self.there


MOST = 0xFFFFFFFF
shared = Shared()


def watch(loop) -> bool:
    """Measures from now on; false: the app has nothing that is known to use threads."""
    anyio = sys.modules.get("anyio.to_thread")
    if anyio is None and "asgiref.sync" not in sys.modules:
        return False
    if anyio is not None:
        shared.thread = get_ident()
        anyio.run_sync = _of_anyio(anyio.run_sync)
    loop.run_in_executor = _of_loop(loop.run_in_executor)
    return True


def _of_anyio(run_sync):
    @functools.wraps(run_sync)
    async def measured(func, *args, **options):
        place = used.get()
        if place is not None:
            func = functools.partial(_timed, place, func)
        if options.get("limiter") is not None or get_ident() != shared.thread:
            return await run_sync(func, *args, **options)  # threads of its own
        shared.wanted += 1
        try:
            if shared.wanted > shared.there:
                shared.look()
            return await run_sync(func, *args, **options)
        finally:
            shared.wanted -= 1

    return measured


def _of_loop(run_in_executor):
    @functools.wraps(run_in_executor)
    def measured(executor, func, *args):
        place = used.get()
        if place is None or not isinstance(executor, (type(None), ThreadPoolExecutor)) or inspect.iscoroutinefunction(func):
            return run_in_executor(executor, func, *args)
        return run_in_executor(executor, functools.partial(_timed, place, func), *args)

    return measured


def _timed(place: list[int], func, *args):
    began = thread_time_ns()
    try:
        return func(*args)
    finally:
        place[0] += thread_time_ns() - began
