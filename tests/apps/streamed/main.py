"""Reads its requests' bodies while they come."""
import contextlib
import hashlib
import time


class Late(list):
    """An answer that reads the body when it has been sent."""

    def __init__(self, body, start_response):
        super().__init__([b"none"])
        self.body = body
        start_response("401 Unauthorized", [("Content-Length", "4")])

    def close(self):
        time.sleep(0.1)
        with contextlib.suppress(ConnectionError):
            self.body.read(1)


def application(environ, start_response):
    path, read = environ["PATH_INFO"], environ["wsgi.input"].read
    status, size, digest = "200 OK", 0, hashlib.sha256()
    if path == "/late":
        return Late(environ["wsgi.input"], start_response)
    if path == "/refuse":
        status = "401 Unauthorized"
    elif path == "/some":
        size = len(read(1000))
    else:
        try:
            while piece := read(1 << 16):
                if not size:
                    environ["wsgi.errors"].write("a body has begun\n")
                size += len(piece)
                digest.update(piece)
        except ConnectionError:
            environ["wsgi.errors"].write("a client left in its body\n")
            raise
    body = f"{size} {digest.hexdigest()}".encode()
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]
