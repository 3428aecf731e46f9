"""Clients that ask one request after another until they are told to stop, and
count what came of each: a status, or the name of what went wrong."""
from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable

import client


class Load:
    """Requests in a closed loop, each with a number of its own.

    Half of the clients keep their connections, the others make one for each
    request. path(number) says what is asked for.
    """

    def __init__(self, port: int, clients: int, path: Callable[[int], str] = "/?n={}".format, first: int = 1):
        self._port = port
        self._path = path
        self._numbers = itertools.count(first)
        self._stop = threading.Event()
        self.outcomes: dict[int, int | str] = {}
        self.reasons: dict[int, str] = {}
        self.times: list[float] = []
        self._threads = [threading.Thread(target=self._work, args=(i % 2 == 0,), daemon=True) for i in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self, keep: bool) -> None:
        connection = None
        while not self._stop.is_set():
            number = next(self._numbers)
            began = time.monotonic()
            try:
                if connection is None:
                    connection = client.Connection(self._port, timeout=30)
                response = connection.get(self._path(number), keep_alive=keep)
                self.outcomes[number] = response.status
                if response.status >= 500:
                    self.reasons[number] = response.body.decode(errors="replace").strip()
                done = not keep or response.header("connection") == "close"
            except (OSError, client.BadResponse, ValueError) as error:
                self.outcomes[number] = type(error).__name__
                done = True
            self.times.append(time.monotonic() - began)
            if done and connection is not None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    @property
    def failed(self) -> dict[int, int | str]:
        return {number: outcome for number, outcome in self.outcomes.items() if outcome != 200}

    def summary(self) -> str:
        """How many failed of how many, and how."""
        kinds = Counter(map(str, self.failed.values()))
        how = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return f"{len(self.failed)} of {len(self.outcomes):,} failed" + (f" ({how})" if how else "")


def p99(port, count=2000):
    """Of one normal client, in ms; of enough requests to meet many of a crowd's."""
    with client.Connection(port) as connection:
        times = []
        for _ in range(count):
            began = time.monotonic()
            assert connection.get("/").status == 200
            times.append(time.monotonic() - began)
    return 1000 * statistics.quantiles(times, n=100)[98]
