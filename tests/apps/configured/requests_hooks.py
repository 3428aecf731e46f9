"""Times requests and gives each an id, in hooks of the worker."""
import time

workers = 1


def pre_request(worker, req):
    worker.began = time.monotonic()
    req.headers.append(("X-REQUEST-ID", "r-17"))
    worker.log.info("%s %s", req.method, req.path)


def post_request(worker, req, environ, resp):
    took = time.monotonic() - worker.began
    worker.log.info("%s %s?%s %s: %s, in time: %s, %d bytes", req.method, req.path, req.query, environ["HTTP_X_REQUEST_ID"],
                    resp.status, 0 <= took < 10, 0 if resp.sent == 0 else 1)
