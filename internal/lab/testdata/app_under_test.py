"""An app of the standard library alone."""
import time


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fail":
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return [b""]
    if path == "/sleep":
        time.sleep(0.05)
    body = environ.get("lab.body", b"hello")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
