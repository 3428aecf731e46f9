"""An app for the traps that a server can fall into; its own modules have the
names of the server's."""
import os
import time

import config
import front
import shim
import wire
import worker

MODULES = [config, front, shim, wire, worker]


def text(start_response, body, status="200 OK"):
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def environ_of(environ, start_response):
    shown = {k: v for k, v in environ.items() if isinstance(v, str)}
    return text(start_response, repr(shown).encode())


def sleep(environ, start_response):
    time.sleep(float(environ["PATH_INFO"].rpartition("/")[2]))
    return text(start_response, b"slept")


def large(environ, start_response):
    return text(start_response, b"x" * (200 << 10))


def fork(environ, start_response):
    """Returns in both processes, as an app does that forks in a request."""
    pid = os.fork()
    if pid:
        try:
            # Not waitpid: gevent's now and then misses a process's first child.
            os.waitid(os.P_PID, pid, os.WEXITED)
        except ChildProcessError:
            pass  # its loop has taken the child's status
    return text(start_response, b"parent" if pid else b"child")


def names(environ, start_response):
    return text(start_response, ",".join(m.OWNER for m in MODULES).encode())


ROUTES = {"environ": environ_of, "sleep": sleep, "large": large, "fork": fork, "names": names}


def application(environ, start_response):
    handler = ROUTES.get(environ["PATH_INFO"].split("/")[1])
    return handler(environ, start_response) if handler else text(start_response, b"quick")
