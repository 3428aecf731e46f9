"""INT and QUIT, for a worker or for the server, while a request runs and while none does."""
from __future__ import annotations

import http.client
import os
import signal
import threading

from config_cases import MARK, comes, marks, repeat_until_ended
from sidebyside import Case, Site

HOOKS = """
def worker_int(worker): mark(f"int:{worker.age}")
def worker_exit(server, worker): mark(f"exit:{worker.age}")
def child_exit(server, worker): mark(f"child_exit:{worker.age}")
def on_exit(server): mark("on_exit")
"""
APP = MARK + """
import atexit, time
atexit.register(lambda: mark("atexit"))
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        mark("begun")
        try:
            for _ in range(15):
                time.sleep(0.1)
        except BaseException as e:
            mark(type(e).__name__)
            raise
        finally:
            mark("finally")
    start_response("200 OK", [("Content-Length", "4")])
    return [b"%4d" % (os.getpid() % 10000)]
def pid(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
def application(environ, start_response):
    return (pid if environ["PATH_INFO"] == "/pid" else app)(environ, start_response)
"""
ASYNCHRONOUS = MARK + """
import asyncio, atexit, os
atexit.register(lambda: mark("atexit"))
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        mark("shutdown")
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        mark("begun")
        try:
            await asyncio.sleep(15)
        except BaseException as e:
            mark(type(e).__name__)
            raise
        finally:
            mark("finally")
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
"""


def told(number: int, whom: str, busy: bool):
    """What a request comes to that ran when the worker, or the server, got the signal, and what
    of the application and of the file ran then."""

    def see(site: Site):
        worker = int(site.body("/pid"))
        came: list[str] = []

        def ask():
            try:
                came.append("served" if site.get("/slow").status == 200 else "failed")
            except (OSError, http.client.HTTPException):
                came.append("failed")

        asking = threading.Thread(target=ask)
        if busy:
            asking.start()
            comes(site, "begun")
        if whom == "worker":
            os.kill(worker, number)
            if site.maker == "gunicorn":  # its gthread forgets about one in a hundred
                repeat_until_ended(worker, number)
            comes(site, "child_exit:1")
        else:
            site.send(number)
            came.append(str(site.ended()))
        if busy:
            asking.join()
        seen = {mark for mark in marks(site) if not mark.endswith(":2")}
        if whom == "worker" and site.cls == "gthread":
            seen.discard("int:1")  # gunicorn's gthread that forgets the signal forgets the hook with it
        return [sorted(came), sorted(seen)]

    return see


def case(name: str, number: int, whom: str, busy: bool, app: str = APP, **kwargs) -> Case:
    return Case(name, told(number, whom, busy), app=app, config=MARK + HOOKS, target="app:application", **kwargs)


AT_ONCE = "INT and QUIT end a server at once: what threads run is not waited for, and its clients are told 502."
SHUTDOWN = "An ASGI application's shutdown has its turn as well where INT or QUIT ends it."
LAST = ["atexit", "begun", "child_exit:1", "exit:1"]
ASGI = {"app": ASYNCHRONOUS, "options": ("-k", "asgi"), "classes": ("sync",), "because": SHUTDOWN}

CASES = [
    case("INT for a busy worker", signal.SIGINT, "worker", True, classes=("sync", "gthread", "gevent")),
    case("QUIT for a busy server", signal.SIGQUIT, "server", True, classes=("sync", "gevent")),
    case("QUIT for a server with busy threads", signal.SIGQUIT, "server", True, classes=("gthread",), because=AT_ONCE,
         right=[["0", "served"], [*LAST, "finally", "int:1", "on_exit"]], girin=[["0", "failed"], [*LAST, "int:1", "on_exit"]]),
    case("INT for an idle server", signal.SIGINT, "server", False, classes=("sync", "gthread", "gevent")),
    case("INT for a busy worker, under ASGI", signal.SIGINT, "worker", True, **ASGI,
         right=[["failed"], ["CancelledError", *LAST, "finally", "int:1"]], girin=[["failed"], ["CancelledError", *LAST, "finally", "int:1", "shutdown"]]),
    case("QUIT for an idle server, under ASGI", signal.SIGQUIT, "server", False, **ASGI,
         right=[["0"], ["atexit", "child_exit:1", "exit:1", "int:1", "on_exit"]], girin=[["0"], ["atexit", "child_exit:1", "exit:1", "int:1", "on_exit", "shutdown"]]),
]
