"""Ends a worker that has grown too large, as recipes for leaking applications do."""
import resource

workers = 1
LIMIT_KIB = 1  # any worker is larger


def post_request(worker, req, environ, resp):
    if req.path == "/leak" and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > LIMIT_KIB:
        worker.log.warning("Worker %d has grown too large", worker.age)
        worker.alive = False
