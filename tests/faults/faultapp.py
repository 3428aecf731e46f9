"""An app for faults: what it is asked for by number it notes in a file.

$RECORD names that file. A line is "B NUMBER PID" when a request begins, "E
NUMBER PID" when it ends, "C NUMBER PID" when its iterable is closed; one write
to an append-only descriptor each, so no fault can tear it.
"""
import atexit
import functools
import os
import tempfile
import time
from urllib.parse import parse_qs

RECORD = os.open(os.environ.get("RECORD", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(what, number):
    os.write(RECORD, f"{what} {number} {os.getpid()}\n".encode())


atexit.register(note, "X", 0)


class Stream:
    """Blocks with pauses, and a close() that is noted."""

    def __init__(self, number, blocks, pause):
        self.number, self.blocks, self.pause = number, blocks, pause

    def __iter__(self):
        for i in range(self.blocks):
            yield b"%07d\n" % i
            time.sleep(self.pause)

    def close(self):
        note("C", self.number)


def spin(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def stuck(seconds):
    """Named so that a stack shows it."""
    time.sleep(seconds)


def grow(mib):
    """Takes memory that stays."""
    KEPT.append(bytearray(os.urandom(1 << 20)) * mib)


KEPT = []


class Open:
    """A file that no response closes, wrapped as tempfile wraps those that it names."""

    def __init__(self):
        self.file = tempfile.TemporaryFile()
        self.file.write(b"".join(b"%07d\n" % i for i in range(1 << 20)))
        self.read, self.seek, self.tell, self.fileno = self.file.read, self.file.seek, self.file.tell, self.file.fileno


@functools.lru_cache(None)
def the_open_file():
    return Open()


def application(environ, start_response):
    path = environ["PATH_INFO"]
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    number = query.get("n", "0")
    pause = float(query.get("s", 0))
    note("B", number)
    body = b"ok\n"
    if path.startswith("/bytes/"):
        path = "/bytes"
    if path == "/sleep":
        time.sleep(pause)
    elif path == "/stuck":
        stuck(pause)
    elif path == "/spin":
        spin(pause)
    elif path == "/grow":
        grow(int(query["mib"]))
    elif path == "/pid":
        body = b"%d" % os.getpid()
    elif path == "/bytes":
        body = b"x" * int(query["count"])
    elif path == "/body":
        size = 0
        while piece := environ["wsgi.input"].read(1 << 16):
            size += len(piece)
        body = b"%d" % size
    elif path == "/file":
        file = tempfile.TemporaryFile()
        file.truncate(int(query["count"]))
        start_response("200 OK", [("Content-Length", query["count"])])
        return environ["wsgi.file_wrapper"](file)
    elif path == "/kept":
        file = the_open_file()
        file.seek(0)
        start_response("200 OK", [("Content-Length", str(8 << 20))])
        return environ["wsgi.file_wrapper"](file)
    elif path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Stream(number, int(query["count"]), pause)
    fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    if path == "/panic/reader":
        fields.append(("X-Panic", "in what reads the worker, if girin was built for that"))
    start_response("200 OK", fields)
    note("E", number)
    return [body]
