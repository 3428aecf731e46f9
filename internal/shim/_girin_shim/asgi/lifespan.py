"""The lifespan protocol: startup before the first request, shutdown after the last."""
from __future__ import annotations

import asyncio
import traceback

AUTO, ON, OFF = "auto", "on", "off"


class LifespanFailed(Exception):
    """The app's startup failed: the worker must not serve."""


class Lifespan:
    """Runs an app's lifespan as a task of its own, as the specification says.

    In mode auto an app that raises before it has answered does not know the
    protocol; in mode on it has failed.
    """

    def __init__(self, app, mode: str, log) -> None:
        self.state: dict = {}
        self._app = app
        self._mode = mode
        self._log = log
        self._task: asyncio.Task | None = None
        self._events: asyncio.Queue = asyncio.Queue()
        self._started = False  # startup was answered
        self._answered = asyncio.Event()
        self._failure: str | None = None

    async def startup(self) -> None:
        """Returns when the app may serve; raises LifespanFailed if it must not."""
        if self._mode == OFF:
            return
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._events.put_nowait({"type": "lifespan.startup"})
        await self._answered.wait()
        if self._failure is not None:
            raise LifespanFailed(self._failure)

    async def shutdown(self, limit: float) -> None:
        """Tells the app to end; returns after limit seconds at the latest."""
        task = self._task
        if task is None or task.done():
            return
        self._answered.clear()
        self._events.put_nowait({"type": "lifespan.shutdown"})
        waiting = asyncio.ensure_future(self._answered.wait())
        done, _ = await asyncio.wait({task, waiting}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not done:
            self._log(30, f"the app's lifespan did not end within {limit:g} s and is cancelled")
            task.cancel()
            await asyncio.wait({task}, timeout=1)
        elif self._failure is not None:
            self._log(40, f"the app's lifespan shutdown failed: {self._failure}")

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._events.get, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            self._raised(e)
        finally:
            self._answered.set()

    def _raised(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
        if self._started:
            self._log(40, f"the app's lifespan ended with an exception\n{text}")
        elif self._mode == ON or isinstance(error, (SystemExit, KeyboardInterrupt)):
            self._failure = text
        else:
            self._log(10, f"the app has no lifespan (it raised {type(error).__name__})")

    async def _send(self, message: dict) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started = True
        elif kind in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            self._failure = message.get("message") or "the app gave no reason"
        elif kind != "lifespan.shutdown.complete":
            raise RuntimeError(f"a lifespan cannot send {kind!r}")
        self._answered.set()
