"""What the soak asks for. Every answer's bytes follow from the request, so that a client can check them."""
import functools
import hashlib
import os
import tempfile
import threading
import time
from urllib.parse import parse_qs

BLOCK = 1 << 16
FILE_SEED, FILE_SIZE = 63, 3 << 20


ROW, BYTES = bytes(i * 7 & 255 for i in range(256)), bytes(range(256)) * 2


@functools.lru_cache(maxsize=64)
def block(seed):
    """Byte i is seed * 31 + i * 7 + (i >> 8) * 13, modulo 256."""
    shifts = ((seed * 31 + row * 13) & 255 for row in range(BLOCK >> 8))
    return b"".join(ROW.translate(BYTES[shift : shift + 256]) for shift in shifts)


def pieces(seed, size):
    """The bytes that belong to a seed: its block again and again, each with its number in front."""
    rest = block(seed)[8:]
    for number in range((size + BLOCK - 1) // BLOCK):
        yield (number.to_bytes(8, "big") + rest)[: size - number * BLOCK]


FILES = {}
LOCK = threading.Lock()


def opened():
    """One file that all requests of a process send, as an application with a cache of open files does.

    Each has a descriptor of its own, and all share where it stands.
    """
    with LOCK:  # not at import: a forked worker must have its own
        if os.getpid() not in FILES:
            kept = FILES[os.getpid()] = tempfile.TemporaryFile()
            kept.writelines(pieces(FILE_SEED, FILE_SIZE))
            kept.flush()
    f = os.fdopen(os.dup(FILES[os.getpid()].fileno()), "rb")
    f.seek(0)
    return f


def digest(environ):
    read, size, digest = environ["wsgi.input"].read, 0, hashlib.sha256()
    while piece := read(1 << 16):
        size += len(piece)
        digest.update(piece)
    return f"{size} {digest.hexdigest()}".encode()


def events(pause):
    while True:
        yield b"data: tick\n\n"
        time.sleep(pause)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    size, seed, pause = int(query.get("size", 0)), int(query.get("seed", 0)), float(query.get("pause", 0))
    fields = [("Content-Type", "application/octet-stream")]
    if path == "/bytes":
        body = [b"".join(pieces(seed, size))]
    elif path == "/pieces":  # its length is not declared
        start_response("200 OK", fields)
        return pieces(seed, size)
    elif path == "/events":
        start_response("200 OK", fields)
        return events(pause)
    elif path == "/file":
        start_response("200 OK", [*fields, ("Content-Length", str(FILE_SIZE))])
        return environ["wsgi.file_wrapper"](opened())
    elif path == "/digest":
        body = [digest(environ)]
    elif path == "/unread":
        body = [b"not read"]
    elif path == "/sleep":
        time.sleep(pause)
        body = [b"slept"]
    else:
        body = [b"hello"]
    start_response("200 OK", [*fields, ("Content-Length", str(sum(map(len, body))))])
    return body
