"""What a reload changes of what is asked of clients and of workers: no new start is needed for it."""
from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import threading
import time
from pathlib import Path

from config_cases import PID
from process_cases import app
from sidebyside import Case, Site

SLEEPS = app("import os, time\ntime.sleep(float(environ['QUERY_STRING'] or 0))\nreturn os.getpid()")
LATER = 5.0  # s: what was to last at most one is over by then


def reload(site: Site, text: str) -> None:
    """Returns when only workers of the file's new text answer."""
    before = Path("/proc", site.body())
    (site.site / "gunicorn.conf.py").write_text(text)
    site.send(signal.SIGHUP)
    site.until(lambda: not before.exists())
    assert site.get().status == 200


def kept(site: Site) -> list[bool]:
    """Is a request answered that has a long target, many fields, or one long field?"""
    asked = [{"path": "/?" + "0" * 300}, {"headers": {f"X-{n}": "a" for n in range(30)}}, {"headers": {"X-Long": "a" * 1000}}]
    return [site.get(**{"path": "/", **one}).status == 200 for one in asked]


def limits(site: Site):
    seen = [kept(site)]
    reload(site, "limit_request_line = 100\nlimit_request_fields = 10\nlimit_request_field_size = 200\n")
    seen.append(kept(site))
    reload(site, "")
    return [*seen, kept(site)]


def keepalive(site: Site) -> bool:
    """Is a connection soon closed that is idle?"""
    reload(site, "keepalive = 1\n")
    with socket.create_connection(("127.0.0.1", site.port), LATER) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            while client.recv(1 << 16):
                pass
            return True
    return False


def timeout(site: Site) -> bool:
    """Is a request answered that takes longer than the new timeout?"""
    reload(site, "timeout = 2\n")
    try:
        return site.get("/?10").status == 200
    except (OSError, http.client.HTTPException):
        return False


def no_timeout(site: Site) -> bool:
    """Is a request answered that takes longer than the old one?"""
    reload(site, "timeout = 60\n")
    return site.get("/?4").status == 200


def graceful_timeout(site: Site) -> bool:
    """Does the server end soon, although a request runs?"""
    reload(site, "graceful_timeout = 1\n")

    def ask():
        with contextlib.suppress(OSError, http.client.HTTPException):
            site.get("/?15")

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    began = time.monotonic()
    site.stop()
    soon = time.monotonic() - began < 10
    asking.join()
    return soon


def loglevel(site: Site) -> list[bool]:
    """Are lines written that are worth less than a warning?"""
    seen = []
    for text in ("loglevel = 'info'\n", "loglevel = 'error'\n"):
        reload(site, text)
        seen.append(len(site.lines("Booting worker")) > 0)
    said = len(site.lines("Booting worker"))
    reload(site, "loglevel = 'error'\n")
    return [*seen, len(site.lines("Booting worker")) > said]


def max_requests(site: Site) -> bool:
    """Has each request a process of its own?"""
    reload(site, "max_requests = 1\n")
    return len({site.body() for _ in range(4)}) == 4


def format_of_access_log(site: Site) -> list[str]:
    """Which lines of the access log there are of the same request, before and after."""
    seen = []
    for n, text in enumerate(("", "accesslog = '-'\naccess_log_format = 'changed <%(m)s %(s)s>'\n")):
        if n:
            reload(site, text)
        site.body("/?0")
        site.until(lambda: site.lines("(?:logged|changed) <.*>"))
        site.until(lambda n=n: not n or site.lines("changed <.*>"))
        seen.append(site.lines("(?:logged|changed) <.*>")[-1])
    return seen


def pidfile(site: Site) -> list[bool]:
    """Is the process noted where the file says now, and nowhere else?"""
    files = [site.site / name for name in ("first.pid", "second.pid")]
    seen = []
    for text in ("pidfile = 'second.pid'\n", "", "pidfile = 'first.pid'\n"):
        reload(site, text)
        seen += [file.exists() and int(file.read_text()) == site.process.pid for file in files]
    site.stop()
    return [*seen, *(file.exists() for file in files)]


CASES = [
    Case("a reload with other limits of requests", limits, app=PID, config="\n", classes=("sync", "gthread", "gevent"), right=[[True] * 3, [False] * 3, [True] * 3]),
    Case("a reload with another keepalive", keepalive, app=PID, config="keepalive = 30\n", classes=("gthread", "gevent"), right=True),
    Case("a reload with a shorter timeout", timeout, app=SLEEPS, config="timeout = 60\n", classes=("sync",), right=False),
    Case("a reload with a longer timeout", no_timeout, app=SLEEPS, config="timeout = 2\n", classes=("sync",), right=True),
    Case("a reload with another graceful_timeout", graceful_timeout, app=SLEEPS, config="graceful_timeout = 60\n", classes=("sync", "gthread"), right=True),
    Case("a reload with another loglevel", loglevel, app=PID, config="loglevel = 'warning'\n", classes=("sync",), right=[True, True, False]),
    Case("a reload with another format of the access log", format_of_access_log, app=PID, config="accesslog = '-'\naccess_log_format = 'logged <%(r)s>'\n",
         classes=("sync",), right=["logged <GET /?0 HTTP/1.1>", "changed <GET 200>"]),
    Case("a reload with another pidfile", pidfile, app=PID, config="pidfile = 'first.pid'\n", classes=("sync",),
         right=[False, True, False, False, True, False, False, False]),
    Case("a reload with max_requests", max_requests, app=PID, config="max_requests = 0\n", classes=("sync",), right=True),
]
