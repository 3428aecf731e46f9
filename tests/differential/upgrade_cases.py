"""USR2: another server beside the running one, on the same sockets, which takes its place when that one ends."""
from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from config_cases import MARK, marks
from process_cases import app
from sidebyside import Case, Site

# What the file and its hooks know of the server before, and whether they tell it from another one.
HOOKS = MARK + """
import os
pidfile = "server.pid"
OLD = os.environ.get("GUNICORN_PID")
def old(): return open("server.pid").read().strip()
def on_starting(server): mark("on_starting:%s:%s" % (OLD == old() if OLD else None, server.master_pid == int(OLD or 0)))
def pre_exec(server): mark("pre_exec")
"""
APP = app("import os\nreturn {'old': os.environ.get('GUNICORN_PID')}")
# The usual way to have the new server end the old one: once it is ready.
TAKES_OVER = """
import os, signal
pidfile = "server.pid"
def when_ready(server):
    if "GUNICORN_PID" in os.environ:
        os.kill(int(os.environ["GUNICORN_PID"]), signal.SIGTERM)
"""


def noted(site: Site, name: str) -> int:
    """The process that is noted in a file, 0 for none."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(Path(site.site, name).read_text())
    return 0


def gone(site: Site, pid: int) -> None:
    site.until(lambda: not Path("/proc", str(pid)).exists())


def told(site: Site) -> dict:
    """What the application tells, of whichever server answers."""
    while True:
        with contextlib.suppress(OSError):
            return site.get().json()
        time.sleep(0.05)


def upgraded(site: Site) -> list:
    site.until(lambda: noted(site, "server.pid"))
    old = noted(site, "server.pid")
    seen = [old == site.process.pid, told(site)["old"]]
    site.send(signal.SIGUSR2)
    site.until(lambda: noted(site, "server.pid.2"))
    new = noted(site, "server.pid.2")
    try:
        site.until(lambda: told(site)["old"] == str(old))
        seen += [noted(site, "server.pid") == old, new != old]
        site.stop()
        site.until(lambda: noted(site, "server.pid") == new)
        seen += [Path(site.site, "server.pid.2").exists(), len(site.lines("Master has been promoted"))]
        os.kill(new, signal.SIGHUP)
        site.until(lambda: told(site)["old"] is None)
        return [*seen, [mark for mark in marks(site) if mark.split(":")[0] in ("on_starting", "pre_exec")]]
    finally:
        os.kill(new, signal.SIGTERM)
        gone(site, new)


def taken_over(site: Site) -> bool:
    """Does the new server end the old one by itself?"""
    told(site)
    site.send(signal.SIGUSR2)
    site.ended()
    site.until(lambda: noted(site, "server.pid") not in (0, site.process.pid))
    new = noted(site, "server.pid")
    try:
        return bool(told(site))
    finally:
        os.kill(new, signal.SIGTERM)
        gone(site, new)


CASES = [
    Case("USR2, and the first server ends", upgraded, app=APP, config=HOOKS, classes=("sync",),
         right=[True, None, True, True, False, 1, ["on_starting:None:True", "pre_exec", "on_starting:True:True"]]),
    Case("USR2, and the file has the first server end", taken_over, app=APP, config=TAKES_OVER, classes=("sync", "gthread"), right=True),
]
