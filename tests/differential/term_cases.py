"""A handler of SIGTERM that is the application's own, when the server is told to end or to read all anew."""
from __future__ import annotations

import os
import signal
import urllib.request

from config_cases import MARK, comes, marks
from sidebyside import PATIENCE, Case, Site

# What waits for its client is told by the handler, which passes the signal on to whoever had it before.
CHAINED = MARK + """
import signal, threading
ends = threading.Event()
before = signal.getsignal(signal.SIGTERM)
def handler(number, frame):
    mark("handler")
    ends.set()
    if callable(before):
        before(number, frame)
signal.signal(signal.SIGTERM, handler)
def stream():
    yield b"begun "
    while not ends.wait(0.05):
        pass
    yield b"ended"
def application(environ, start_response):
    start_response("200 OK", [])
    return stream() if environ["PATH_INFO"] == "/stream" else [b"%d" % os.getpid()]
"""
# What cleans up and exits.
EXITS = MARK + """
import atexit, signal, sys
atexit.register(lambda: mark("atexit"))
def handler(number, frame):
    mark("handler")
    sys.exit(0)
signal.signal(signal.SIGTERM, handler)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
"""
HOOKS = MARK + """
def worker_exit(server, worker): mark(f"exit:{worker.age}")
def child_exit(server, worker): mark(f"child_exit:{worker.age}")
def on_exit(server): mark("on_exit")
"""


def stream_at_the_end(site: Site):
    """What a stream comes to that ends when the handler says so."""
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/stream", timeout=PATIENCE) as response:
        begun = response.read(6)
        site.send(signal.SIGTERM)
        return [(begun + response.read()).decode(), site.ended(), marks(site)]


def cleaned_up(site: Site):
    """What runs when the server is told to end while nothing else does."""
    site.get()
    site.send(signal.SIGTERM)
    return [site.ended(), sorted(marks(site))]


def cleaned_up_by_reload(site: Site):
    site.get()
    site.send(signal.SIGHUP)
    comes(site, "child_exit:1")
    return sorted(mark for mark in marks(site) if not mark.endswith(":2"))


def one_worker(site: Site):
    """SIGTERM for a worker alone, as systemd or an operator sends it: it ends, and another takes its place."""
    pid = int(site.body("/pid"))
    os.kill(pid, signal.SIGTERM)
    comes(site, "child_exit:1")
    return sorted(mark for mark in marks(site) if not mark.endswith(":2"))


# Under gunicorn's gevent an exit in the handler ends whatever greenlet runs just then: often not the worker.
TWO = ("sync", "gthread")

CASES = [
    Case("a handler of SIGTERM that a stream waits for", stream_at_the_end, app=CHAINED, classes=(*TWO, "gevent")),
    Case("a handler of SIGTERM that exits, at the end", cleaned_up, app=EXITS, config=HOOKS, classes=TWO),
    Case("a handler of SIGTERM that exits, at a reload", cleaned_up_by_reload, app=EXITS, config=HOOKS, classes=TWO),
    Case("a handler of SIGTERM that passes it on, in one worker", one_worker, app=CHAINED, config=HOOKS, classes=(*TWO, "gevent")),
    Case("a handler of SIGTERM that exits, in one worker", one_worker, app=EXITS, config=HOOKS, classes=TWO),
]
