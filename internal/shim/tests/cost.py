"""Prints what a request costs a worker, in microseconds of its CPU time.

A process beside it keeps the lane full and discards the answers:
    python cost.py [CLASS [APP [REQUESTS [IMPLEMENTATION]]]]
APP is hello or flask, IMPLEMENTATION is native or python.
"""
from __future__ import annotations

import os
import sys
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


def main() -> None:
    cls, app, count, implementation = (sys.argv[1:] + ["sync", "hello", "200000", "native"][len(sys.argv) - 1 :])[:4]
    requests = int(count)
    worker = master.Worker("wsgi_app:app", APPS[app], cls=cls, threads=4, connections=64, implementation=implementation)
    _, packet = worker.packet(flags=master.QUICK, environ=HEADERS)
    discard = threading.Thread(target=lambda: [None for _ in iter(lambda: worker.responses.recv(1 << 20), b"")])
    worker.responses.settimeout(None)
    discard.start()
    for _ in range(1000):
        os.write(worker.lane.write_end, packet)
    master.until(lambda: not worker.lane.waiting())
    before, began = cpu_seconds(worker.pid), time.monotonic()
    for _ in range(requests):
        os.write(worker.lane.write_end, packet)
    master.until(lambda: not worker.lane.waiting())
    took = time.monotonic() - began
    cpu = cpu_seconds(worker.pid) - before
    used = worker.ready["accelerator"] or "python"
    print(f"{cls} {app} {used}: {cpu / requests * 1e6:.2f} us of CPU, {took / requests * 1e6:.2f} us elapsed per request")
    worker.drain()
    discard.join()
    worker.close()


if __name__ == "__main__":
    main()
