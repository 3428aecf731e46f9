"""Jobs and tasks on the loop; see shim/jobs.py."""
from __future__ import annotations

from collections.abc import Callable

from .. import joblog, jobs
from ..errors import ERROR
from .http import ENDED


def job_of(app, loop, environ: dict[str, str], exchange, scope: dict) -> Callable:
    """Puts the job into the scope; returns the app that serves it: the application, or one that runs the task."""
    def left() -> bool:
        return exchange.gone or exchange.state == ENDED or loop.cancelled(exchange.id)

    running = jobs.new_running(environ[jobs.ID], environ.get(jobs.ATTEMPT, "1"), left)
    name = environ.get(jobs.TASK)
    if name is None:
        scope[jobs.JOB] = running
    else:
        app = _TaskApp(loop, name, running)
    return _told(app, exchange.id)


def _told(app, id: int) -> Callable:
    """app, whose context says which request it serves."""
    async def serve(scope: dict, receive: Callable, send: Callable) -> None:
        joblog.request.set(id)
        await app(scope, receive, send)

    return serve


class _TaskApp:
    def __init__(self, loop, name: str, running) -> None:
        self._loop = loop
        self._name = name
        self._running = running

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        from girin import tasks

        parts: list[bytes] = []
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message["body"])
            more = message["more_body"]
        status, body, failure = await tasks.run_on_loop(self._name, b"".join(parts), self._running)
        if failure:
            self._loop.log(ERROR, jobs.failed(self._name, self._running, failure))
        fields = [(name.encode(), value.encode()) for name, value in jobs.fields(body)]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})
