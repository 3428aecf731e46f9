"""The applications that servers are measured with."""
import contextlib
import functools
import os
import time
from _multiprocessing import SemLock

from flask import Flask, jsonify, render_template
from jinja2 import DictLoader

HELLO = b"Hello, world!"
BLOBS = {f"/{kib}k": b"x" * (kib << 10) for kib in (10, 100, 1024)}
PAGE = """<!doctype html>
<title>{{ title }}</title>
<ul>
{% for item in items %}<li class="{{ loop.cycle('odd', 'even') }}">{{ item.name }}: {{ item.price }}</li>
{% endfor %}</ul>
"""
ITEMS = [{"id": i, "name": f"item <{i}>", "price": i * 1.25} for i in range(20)]


def respond(start_response, body):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def hello(environ, start_response):
    return respond(start_response, HELLO)


def blob(environ, start_response):
    return respond(start_response, BLOBS.get(environ["PATH_INFO"], HELLO))


def count(environ, start_response):
    """Reads the request's body in pieces, as a framework does, and says how long it was."""
    total = 0
    while piece := environ["wsgi.input"].read(64 << 10):
        total += len(piece)
    return respond(start_response, b"%d" % total)


flask = Flask(__name__)
flask.jinja_loader = DictLoader({"page.html": PAGE})


@flask.get("/")
def index():
    return "Hello, world!"


@flask.get("/json")
def items():
    return jsonify(ITEMS)


@flask.get("/page")
def page():
    return render_template("page.html", title="Items", items=ITEMS)


class Pool:
    """Connections to a database that all processes share: whoever gets none in time fails."""

    def __init__(self, size, patience):
        self.size, self.patience = size, patience

    @functools.cached_property
    def free(self):
        """A semaphore of the whole server, which whoever starts that must unlink."""
        kind, name = 1, f"/girin-pool-{os.getppid()}"
        try:
            return SemLock(kind, self.size, self.size, name, False)
        except FileExistsError:
            return SemLock._rebuild(0, kind, self.size, name)

    @contextlib.contextmanager
    def connection(self):
        if not self.free.acquire(True, self.patience):
            raise TimeoutError("no connection is free")
        try:
            yield
        finally:
            self.free.release()


pool = Pool(10, 1)


@flask.get("/query")
def query():
    with pool.connection():
        time.sleep(0.05)
    return "10 rows"


@flask.get("/sleep/<float:seconds>")
def sleep(seconds):
    time.sleep(seconds)
    return "slept"


@flask.get("/compute/<int:count>")
def compute(count):
    total = 0
    for i in range(count):
        total += i * i
    return str(total)
