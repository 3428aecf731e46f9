"""Looks for what requests leave behind in a worker:
    python leaks.py [REQUESTS [PYTHON]]
For each kind of request it says how many objects, references (of a debug build
of CPython only) and KiB of memory a worker holds more after REQUESTS of them.
Exit status 1: more than SLACK for every thousand.
"""
from __future__ import annotations

import json
import os
import sys
import threading

import master

APP = """
    import gc, json, sys
    kept = []
    def facts():
        gc.collect()
        pages = int(open("/proc/self/statm").read().split()[1])
        return {
            "objects": len(gc.get_objects()),
            "references": getattr(sys, "gettotalrefcount", int)(),
            "KiB": pages * 4,
        }
    class Blocks:
        def __init__(self, *blocks):
            self.blocks = iter(blocks)
        def __iter__(self):
            return self.blocks
        def close(self):
            pass
    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/facts":
            kept.clear()
            body = json.dumps(facts()).encode()
            start_response("200 OK", [])
            return [body]
        if path == "/fail":
            raise ValueError(path)
        if path == "/keep":  # what a request was given outlives it
            kept[:] = [environ, start_response]
        if path == "/cycle":
            environ["environ"] = environ
        if path == "/wrong":
            start_response("200", [("A b", "c")])
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        if path == "/write":
            write(b"four")
            return []
        if path == "/stream":
            return Blocks(b"fo", b"ur")
        if path == "/whole":
            return Blocks(b"four", b"")
        return [b"four"]
    """

KINDS = {
    "hello": {"path": "/", "flags": master.QUICK},
    "paths": {"path": "/%d", "flags": master.QUICK},
    "post": {"path": "/", "method": "POST", "body": b"body" * 100},
    "head": {"path": "/", "method": "HEAD"},
    "lengths": {"path": "/", "form": 2},
    "whole": {"path": "/whole"},
    "stream": {"path": "/stream"},
    "write": {"path": "/write"},
    "keep": {"path": "/keep"},
    "cycle": {"path": "/cycle"},
    "slow": {"path": "/", "flags": master.SLOW},
    "fail": {"path": "/fail"},
    "wrong": {"path": "/wrong"},
}
RARE = 100  # of kinds that are logged and the like, so many times fewer
SLACK = {"objects": 1, "references": 4, "KiB": 8}  # for every thousand requests


def facts(worker: master.Worker) -> dict[str, int]:
    worker.get("/facts")
    return json.loads(worker.get("/facts").body)


def send(worker: master.Worker, kind: dict, count: int) -> None:
    """Sends requests, and reads answers and logs meanwhile."""
    packets = [worker.packet(**{**kind, "path": kind["path"].replace("%d", str(i))}, id=1)[1] for i in range(16)]

    def write() -> None:
        for i in range(count):
            os.write(worker.lane.write_end, packets[i % len(packets)])

    writer = threading.Thread(target=write)
    writer.start()
    ended = 0
    while ended < count:
        ended += bool(worker.frame().flags & master.FINAL)
        if ended % 64 == 0:
            worker.sync()
            worker.messages.clear()
    writer.join()


def main() -> int:
    count, python = (sys.argv[1:] + ["100000", sys.executable][len(sys.argv) - 1 :])[:2]
    status = 0
    for name, kind in KINDS.items():
        requests = int(count) // (1 if name == "hello" else RARE)
        worker = master.Worker("wsgi_app:app", APP, cls="gthread", threads=2, python=python, implementation="native")
        send(worker, kind, 1000)
        before = facts(worker)
        send(worker, kind, requests)
        after = facts(worker)
        worker.close()
        grown = {what: after[what] - before[what] for what in after}
        leaks = [what for what, slack in SLACK.items() if grown[what] > 300 + slack * requests // 1000]
        told = ", ".join(f"{grown[what]:+d} {what}" for what in grown)
        print(f"{name}: {requests} requests: {told}{' LEAK' if leaks else ''}", flush=True)
        status |= bool(leaks)
    return status


if __name__ == "__main__":
    sys.exit(main())
