"""Reads its requests' bodies while they come."""
import hashlib

LEFT = []  # requests whose client left in the middle of its body


def application(environ, start_response):
    path, read = environ["PATH_INFO"], environ["wsgi.input"].read
    status, size, digest = "200 OK", 0, hashlib.sha256()
    if path == "/refuse":
        status = "401 Unauthorized"
    elif path == "/left":
        size = len(LEFT)
    elif path == "/some":
        size = len(read(1000))
    else:
        try:
            while piece := read(1 << 16):
                size += len(piece)
                digest.update(piece)
        except ConnectionError:
            LEFT.append(path)
            raise
    body = f"{size} {digest.hexdigest()}".encode()
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]
