"""The CPU time of threads that a request has work done in.

A request finds the place for it in its context, which whoever sends work to a thread
takes along: to the loop's executors, and to those of anyio, where FastAPI and Starlette
run what is written with def.
"""
from __future__ import annotations

import functools
import inspect
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from time import thread_time_ns

used: ContextVar[list[int] | None] = ContextVar("girin_thread_time", default=None)


def watch(loop) -> bool:
    """Measures from now on; false: the app has nothing that is known to use threads."""
    anyio = sys.modules.get("anyio.to_thread")
    if anyio is None and "asgiref.sync" not in sys.modules:
        return False
    if anyio is not None:
        anyio.run_sync = _of_anyio(anyio.run_sync)
    loop.run_in_executor = _of_loop(loop.run_in_executor)
    return True


def _of_anyio(run_sync):
    @functools.wraps(run_sync)
    async def measured(func, *args, **options):
        place = used.get()
        if place is None:
            return await run_sync(func, *args, **options)
        return await run_sync(functools.partial(_timed, place, func), *args, **options)

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
