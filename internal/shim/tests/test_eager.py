"""Tasks whose first step runs at once."""
from __future__ import annotations

import asyncio
import contextvars
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _girin_shim.asgi.eager import Starter  # noqa: E402

VALUE: contextvars.ContextVar[str] = contextvars.ContextVar("VALUE", default="outside")


def uvloop_loop():
    return pytest.importorskip("uvloop").new_event_loop()


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop_loop], ids=["asyncio", "uvloop"])
def in_loop(request):
    """Runs a function in a callback of a loop, as packets are read, until the future that it returns is done."""
    loop = request.param()

    def run(function):
        done = loop.create_future()
        loop.call_soon(lambda: function(loop, Starter(loop).start, done))
        return loop.run_until_complete(asyncio.wait_for(done, 10))

    yield run
    loop.close()


def test_the_first_step_runs_at_once_and_the_others_in_the_loop(in_loop):
    seen = []

    def begin(loop, start, done):
        async def app():
            seen.append("first")
            task = asyncio.current_task()
            VALUE.set("inside")
            await asyncio.sleep(0)
            seen.append("second")
            assert asyncio.current_task() is task and VALUE.get() == "inside"
            done.set_result(isinstance(task, asyncio.Task) and task in asyncio.all_tasks())

        start(app())
        seen.append("started")
        assert VALUE.get() == "outside"
        assert asyncio.current_task() is None
        assert "call_soon" not in vars(loop)

    assert in_loop(begin)
    assert seen == ["first", "started", "second"]


def test_a_task_that_ends_in_its_first_step_starts_others(in_loop):
    def begin(loop, start, done):
        async def other():
            done.set_result("other")

        async def app():
            asyncio.create_task(other())

        start(app())
        assert not done.done()

    assert in_loop(begin) == "other"


def test_what_a_finalizer_puts_off_meanwhile_is_not_lost(in_loop):
    seen = []

    def begin(loop, start, done):
        async def app():
            seen.append("app")

        original = asyncio.Task

        class Collected(original):
            def __init__(self, *args, **kwargs):
                loop.call_soon(seen.append, "before")
                super().__init__(*args, **kwargs)
                loop.call_soon(seen.append, "after")

        asyncio.Task = Collected
        try:
            start(app())
        finally:
            asyncio.Task = original
        assert seen == ["app"]
        loop.call_later(0.01, done.set_result, True)

    in_loop(begin)
    assert sorted(seen) == ["after", "app", "before"]


def test_an_apps_task_factory_makes_the_task(in_loop):
    made = []

    def begin(loop, start, done):
        def factory(loop, coro, **more):
            made.append(asyncio.Task(coro, loop=loop, **more))
            return made[-1]

        async def app():
            done.set_result(asyncio.current_task() is made[0])

        loop.set_task_factory(factory)
        start(app())

    assert in_loop(begin)
