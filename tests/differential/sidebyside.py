"""One case - an app, its settings, and what a user does with them - under two servers.

A case is compared by what `see` returns: it drives a running server as clients and
operators do, and gives back plain values (answers, lines of the log, exit codes).
"""
from __future__ import annotations

import contextlib
import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import servers
from waiting import until

CLASSES = ("sync", "gthread", "gevent", "auto")
PATIENCE = 20.0
OF_CLASS = {  # the options that make a class; gunicorn has no auto, its gthread is the nearest
    "girin": {"sync": ("-k", "sync"), "gthread": ("-k", "gthread", "--threads", "4"), "gevent": ("-k", "gevent"), "auto": ()},
    "gunicorn": {"sync": ("-k", "sync"), "gthread": ("-k", "gthread", "--threads", "4"), "gevent": ("-k", "gevent"),
                 "auto": ("-k", "gthread", "--threads", "4")},
}
COMMAND = {
    "girin": (str(servers.GIRIN), "serve", "--python", sys.executable),
    "gunicorn": (str(servers.BIN / "gunicorn"), "--no-control-socket"),
}


@dataclass(frozen=True)
class Case:
    """The app is app.py, the configuration (if there is one) gunicorn.conf.py; {folder}, where both
    are, may stand in options and env.

    Where girin differs on purpose, `girin` is what it gives instead, and `because` is a sentence
    of docs/SETTINGS.md that says why.
    """

    name: str
    see: Callable[[Site], object]
    app: str = ""
    config: str = ""
    files: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    own: dict[str, tuple[str, ...]] = field(default_factory=dict)  # options of one server alone
    program: dict[str, tuple[str, ...]] = field(default_factory=dict)  # in place of COMMAND
    prepare: Callable[[Path], None] | None = None  # makes what there must be in folder beside files
    terminal: bool = False  # standard input is one; see Site.type
    env: dict[str, str] = field(default_factory=dict)
    target: str = "app"  # what is named on the command line; "": nothing
    classes: tuple[str, ...] = CLASSES
    right: object = None  # what both must give; None: what gunicorn gives
    girin: object = None
    because: str = ""

    def __str__(self) -> str:
        return self.name


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: str

    def json(self):
        return json.loads(self.body)


class Site:
    """A server that runs a case, from its start on."""

    def __init__(self, maker: str, case: Case, cls: str, folder: Path) -> None:
        self.maker, self.cls, self.folder = maker, cls, folder
        self.port = servers.free_port()
        self._log = folder / "server.log"
        files = {"app.py": case.app, **({"gunicorn.conf.py": case.config} if case.config else {}), **case.files}
        for name, text in files.items():
            path = folder / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.site = folder / "site"
        if case.prepare is not None:
            case.prepare(self.site)
        options = [self._placed(option) for option in (*case.options, *case.own.get(maker, ()))]
        program = [self._placed(part) for part in case.program.get(maker, COMMAND[maker])]
        command = (*program, "-b", f"127.0.0.1:{self.port}", *OF_CLASS[maker][cls], *options, *filter(None, (case.target,)))
        env = {name: self._placed(value) for name, value in case.env.items()}
        self._terminal, stdin = pty.openpty() if case.terminal else (-1, subprocess.DEVNULL)
        with open(self._log, "w") as log:
            server = servers.Server(maker, cls, tuple(part.replace("{", "{{").replace("}", "}}") for part in command))
            self.process = servers.launch(server, case.target, self.site, self.port, log, {"PYTHONHASHSEED": "0", **env}, stdin)
        if case.terminal:
            os.close(stdin)

    def _placed(self, text: str) -> str:
        return text.replace("{folder}", str(self.site))

    def __enter__(self) -> Site:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                break
            time.sleep(0.01)
        return self

    def __exit__(self, *_) -> None:
        servers.end(self.process)
        if self._terminal >= 0:
            os.close(self._terminal)

    # What clients do.

    def get(self, path: str = "/", headers: dict[str, str] | None = None, method: str = "GET", body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read().decode("latin-1"))

    @contextlib.contextmanager
    def connection(self):
        """One for several requests, opened anew where the server closes it. Their lines in a log stand
        in their order; those of two connections need not, where there are threads."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            yield connection

    def body(self, path: str = "/", **kwargs) -> str:
        return self.get(path, **kwargs).body

    # What operators do.

    def type(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """The exit code, once the server has ended by itself."""
        return self.process.wait(PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.send(number)
        return self.ended()

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def lines(self, pattern: str) -> list[str]:
        """What a pattern finds in the output, in order."""
        return re.findall(pattern, self.output())

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        until(condition, PATIENCE, what or f"{self.maker}: {self.output()[-2000:]}")

    def said(self, text: str) -> None:
        """Waits until the output has the text."""
        self.until(lambda: text in self.output(), f"{self.maker} says {text!r}: {self.output()[-2000:]}")


def see(maker: str, case: Case, cls: str, folder: Path) -> object:
    """What comes of a case; a failure tells the server's output. gunicorn does not always end
    where a worker was killed while another one booted: then it is asked again, twice."""
    try:
        return _see(maker, case, cls, folder)
    except AssertionError:
        if maker != "gunicorn" or folder.parts[-2:] == ("again", "again"):
            raise
        return see(maker, case, cls, folder / "again")


def _see(maker: str, case: Case, cls: str, folder: Path) -> object:
    folder.mkdir(parents=True)
    with Site(maker, case, cls, folder) as site:
        try:
            return case.see(site)
        except (OSError, http.client.HTTPException, subprocess.TimeoutExpired, ValueError) as error:
            raise AssertionError(f"{maker}: {error!r}\n{site.output()[-4000:]}") from error
