"""Prints what a request costs a worker.

    python cost.py [CLASS [APP [REQUESTS [IMPLEMENTATION]]]]
    python cost.py --instructions [the same]
APP is hello or flask, IMPLEMENTATION is native or python. This process keeps
the lane full and discards the answers. The cost is CPU time in microseconds,
or the instructions outside the kernel, as valgrind counts them: on a machine
that others use too, only these are the same each time.
"""
from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time

import master

APPS = {
    "hello": """
        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
            return [b"Hello, World!"]
        """,
    "flask": """
        from flask import Flask
        app = Flask(__name__)
        @app.route("/")
        def hello():
            return "Hello, World!"
        """,
}

HEADERS = {
    "HTTP_HOST": "127.0.0.1:8000",
    "HTTP_USER_AGENT": "cost/1.0",
    "HTTP_ACCEPT": "*/*",
    "REMOTE_PORT": "51234",
}


def cpu_seconds(pid: int) -> float:
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(worker: master.Worker, requests: int) -> None:
    """Returns when the worker has read so many requests."""
    _, packet = worker.packet(flags=master.QUICK, environ=HEADERS)
    for _ in range(requests):
        os.write(worker.lane.write_end, packet)
    master.until(lambda: not worker.lane.waiting(), 600)


class Discard:
    """Reads what a worker answers until it ends."""

    def __init__(self, worker: master.Worker) -> None:
        worker.responses.settimeout(None)
        self._thread = threading.Thread(target=self._read, args=(worker.responses,))
        self._thread.start()

    def _read(self, responses) -> None:
        while responses.recv(1 << 20):
            pass

    def join(self) -> None:
        self._thread.join()


def microseconds(start, requests: int) -> str:
    worker = start(sys.executable)
    discard = Discard(worker)
    serve(worker, 1000)
    before, began = cpu_seconds(worker.pid), time.monotonic()
    serve(worker, requests)
    took, cpu = time.monotonic() - began, cpu_seconds(worker.pid) - before
    worker.drain()
    discard.join()
    worker.close()
    return f"{cpu / requests * 1e6:.2f} us of CPU, {took / requests * 1e6:.2f} us elapsed"


def counted(start, requests: int) -> int:
    """Instructions of a worker's whole life with so many requests."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:  # no shell: it would use descriptors
        file.write(f"#!{sys.executable}\nimport os, sys\nos.execvp('valgrind', {command} + sys.argv[1:])\n")
        os.fchmod(file.fileno(), 0o755)
    worker = start(file.name, ready=False)
    worker.message(master.READY, 120)
    os.unlink(file.name)
    discard = Discard(worker)
    serve(worker, requests)
    worker.tell(master.DRAIN)
    worker.wait(120)
    discard.join()
    text = worker.stderr()
    worker.close()
    return int(re.search(r"Collected : (\d+)", text).group(1))


def main() -> None:
    arguments = [a for a in sys.argv[1:] if a != "--instructions"]
    cls, app, count, implementation = (arguments + ["sync", "hello", "20000", "native"][len(arguments) :])[:4]
    requests = int(count)

    def start(python: str, **kwargs) -> master.Worker:
        settings = {"cls": cls, "threads": 4, "connections": 64, "implementation": implementation}
        return master.Worker("wsgi_app:app", APPS[app], python=python, **settings, **kwargs)

    if "--instructions" in sys.argv:
        cost = f"{(counted(start, requests + 1000) - counted(start, 1000)) / requests:.0f} instructions"
    else:
        cost = microseconds(start, requests)
    print(f"{cls} {app} {implementation}: {cost} per request")


if __name__ == "__main__":
    main()
