"""Fixtures: workers that end with their test, of both implementations."""
from __future__ import annotations

import pytest

import master


def pytest_generate_tests(metafunc) -> None:
    """cls is each worker class, concurrent each that runs several requests at
    once; tests run with each implementation that the class has."""
    names = metafunc.fixturenames
    if "cls" in names:
        metafunc.parametrize("cls, implementation", master.variants(*master.CLASSES))
    elif "concurrent" in names:
        metafunc.parametrize("concurrent, implementation", master.variants("gthread", "gevent"))
    elif "implementation" in names:
        metafunc.parametrize("implementation", master.implementations())


@pytest.fixture
def start(implementation):
    """Starts workers; what one leaves on stderr is shown if the test fails."""
    workers: list[master.Worker] = []

    def start_worker(code: str | None = None, app: str = "wsgi_app:app", **kwargs) -> master.Worker:
        worker = master.Worker(app, code, **{"implementation": implementation, **kwargs})
        workers.append(worker)
        return worker

    yield start_worker
    for worker in workers:
        print(worker.stderr())
        worker.close()
