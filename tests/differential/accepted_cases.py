"""Settings, arguments and signals that girin takes otherwise than gunicorn, on purpose."""
from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

from config_cases import PID
from process_cases import app
from sidebyside import PATIENCE, Case, Site
from waiting import until

GREETING = app("return 'hello'")


def starts(site: Site) -> bool:
    """Does the server listen, or end with an error that says why?"""
    site.until(lambda: site.process.poll() is not None or "Listening at" in site.output())
    if site.process.poll() is None:
        return True
    assert site.process.returncode != 0 and site.output()
    return False


def answered(site: Site) -> str | int:
    """What the app answers, or the exit status of a server that has ended."""
    return site.body() if starts(site) else site.ended()


def noted(site: Site) -> list[str]:
    """What the access log has of a path and a field that look like something else."""
    with socket.create_connection(("127.0.0.1", site.port), PATIENCE) as client:
        client.sendall(b'GET /a\\b"c HTTP/1.1\r\nHost: a\r\nX-A: \xe9\\n\r\nConnection: close\r\n\r\n')
        while client.recv(1 << 16):
            pass
    site.until(lambda: site.lines("logged <(.*)>"))
    return site.lines("logged <(.*)>")


def window_changed(site: Site) -> bool:
    """Does a daemon still answer that was told of another size of its window?"""
    file = Path(site.site, "pid")
    site.until(lambda: file.exists() and file.read_text().strip())
    pid = int(file.read_text())
    try:
        site.until(lambda: _served(site))
        os.kill(pid, signal.SIGWINCH)
        with contextlib.suppress(AssertionError):
            until(lambda: not _served(site), 5)
        return _served(site)
    finally:
        os.kill(pid, signal.SIGTERM)
        site.until(lambda: not Path("/proc", str(pid)).exists())


def _served(site: Site) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", site.port), 1) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return client.recv(1 << 16) != b""
    return False


CASES = [
    *(
        Case(f"nobody would answer: {' '.join(options)}", starts, app=PID, options=options, classes=("sync",), right=True, girin=False,
             because="No workers, no threads and no connections are errors at the start")
        for options in (("-w", "0"), ("-w", "1", "--threads", "0"), ("-w", "1", "--worker-connections", "0"))
    ),
    Case("a time with decimals", starts, app=PID, config="timeout = 2.5\n", classes=("sync",), right=False, girin=True,
         because="Times may have decimals"),
    Case("a second application", answered, app=GREETING, options=("app:application",), classes=("sync",), right='"hello"', girin=2,
         because="A second application on the command line is an error"),
    Case("logging is configured by a file in JSON that is not there", starts, app=PID, config="logconfig_json = '/nowhere.json'\n", classes=("sync",), right=True, girin=False,
         because="A file of `logconfig_json` that is not there is an error at the start"),
    Case("what a client sends cannot be taken for something else in the access log", noted, app=PID, classes=("sync",),
         options=("--access-logfile", "-", "--access-logformat", "logged <%(r)s|%({X-A}i)s>"), right=[r'GET /a\b\"c HTTP/1.1|é\n'], girin=[r'GET /a\\b\"c HTTP/1.1|\xe9\\n'],
         because="In the access log a backslash is doubled"),
    Case("WINCH", window_changed, app=PID, options=("--daemon", "--pid", "{folder}/pid"), classes=("sync",), right=False, girin=True,
         because="WINCH does nothing to a daemon"),
]
