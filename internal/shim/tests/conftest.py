"""Fixtures: workers that end with their test."""
from __future__ import annotations

import pytest

from master import Worker

CLASSES = ["sync", "gthread", "gevent", "gaiohttp"]


@pytest.fixture
def start():
    """Starts workers; what one leaves on stderr is shown if the test fails."""
    workers: list[Worker] = []

    def start_worker(code: str | None = None, app: str = "wsgi_app:app", **kwargs) -> Worker:
        worker = Worker(app, code, **kwargs)
        workers.append(worker)
        return worker

    yield start_worker
    for worker in workers:
        print(worker.stderr())
        worker.close()


@pytest.fixture(params=CLASSES)
def cls(request) -> str:
    """Each worker class."""
    return request.param


@pytest.fixture(params=["gthread", "gevent"])
def concurrent(request) -> str:
    """The classes that run several requests at once."""
    return request.param
