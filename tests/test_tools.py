"""Tools that look into the application's process: coverage, and a debugger that attaches."""
from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import client
import servers

APP = """
def touched():
    secret = "found by the client"
    return secret.encode()

def untouched():
    return b""

def application(environ, start_response):
    body = touched()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
STOP = 4  # the line of touched that returns
CLASSES = {"sync": (1, 1), "gthread": (1, 2), "gevent": (1, 1)}


def server(cls: str, *options: str) -> servers.Server:
    if cls == "auto":
        return servers.girin_auto(*options)
    return servers.girin(cls, *CLASSES[cls], *options)


def covered(folder: Path) -> list[int]:
    """The lines of app.py that were run, told by all processes together."""
    tool = [sys.executable, "-m", "coverage"]
    subprocess.run([*tool, "combine", "-q"], cwd=folder, check=True, capture_output=True)
    subprocess.run([*tool, "json", "-q"], cwd=folder, check=True, capture_output=True)
    return json.loads((folder / "coverage.json").read_text())["files"]["app.py"]["executed_lines"]


# A worker is started, or forked from the process of the file or from the one that has
# imported the application; it ends by TERM, or since it has served enough.
@pytest.mark.parametrize(
    "cls, conf, options",
    [("sync", "", ()), ("gthread", "", ("--preload",)), ("auto", "", ()), ("gevent", "", ()),
     ("sync", "timeout = 20\n", ()), ("gthread", "preload_app = True\n", ()), ("sync", "", ("--max-requests", "1"))],
    ids=str,
)
def test_coverage_of_a_worker_is_written_at_its_end(tmp_path, cls, conf, options):
    (tmp_path / "app.py").write_text(APP)
    more = "concurrency = gevent\n" if cls == "gevent" else ""
    (tmp_path / ".coveragerc").write_text(f"[run]\nparallel = true\nrelative_files = true\nsource = .\n{more}")
    if conf:
        (tmp_path / "gunicorn.conf.py").write_text(conf)
    env = {"COVERAGE_PROCESS_START": str(tmp_path / ".coveragerc")}
    with servers.running(server(cls, *options), "app", cwd=tmp_path, env=env) as run:
        assert client.get(run.port, "/").body == b"found by the client"
    assert covered(tmp_path) == [2, 3, 4, 6, 9, 10, 11, 12]


class Debugger:
    """An editor that attaches to debugpy: what the Debug Adapter Protocol needs for one stop."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._stream = self._socket.makefile("rb")
        self._serial = 0
        self._events: list[dict] = []

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, command: str, **arguments) -> int:
        self._serial += 1
        body = json.dumps({"seq": self._serial, "type": "request", "command": command, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return self._serial

    def ask(self, command: str, **arguments) -> dict:
        return self.answer(self.send(command, **arguments))

    def answer(self, serial: int) -> dict:
        while True:
            message = self._receive()
            if message["type"] == "response" and message["request_seq"] == serial:
                assert message["success"], message
                return message.get("body", {})
            self._events.append(message)

    def event(self, name: str) -> dict:
        while True:
            for message in self._events:
                if message.get("event") == name:
                    self._events.remove(message)
                    return message.get("body", {})
            self._events.append(self._receive())

    def _receive(self) -> dict:
        size = 0
        while line := self._stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        return json.loads(self._stream.read(size))

    def attach(self, file: Path, line: int) -> None:
        self.ask("initialize", adapterID="girin", pathFormat="path", linesStartAt1=True)
        attached = self.send("attach", justMyCode=False)
        self.event("initialized")
        found = self.ask("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": line}])
        assert [one["verified"] for one in found["breakpoints"]] == [True]
        self.ask("configurationDone")
        self.answer(attached)

    def look(self, expression: str) -> tuple[int, str]:
        """Where it stops, and what the expression is there; then the process goes on."""
        thread = self.event("stopped")["threadId"]
        frame = self.ask("stackTrace", threadId=thread)["stackFrames"][0]
        value = self.ask("evaluate", expression=expression, frameId=frame["id"])["result"]
        self.ask("continue", threadId=thread)
        return frame["line"], value


LISTEN = "import debugpy, os\nif not os.environ.get('LISTENED'):\n    os.environ['LISTENED'] = '1'\n    debugpy.listen(int(os.environ['DEBUG_PORT']))\n"
IN_THE_FILE = "def post_fork(server, worker):\n" + "".join(f"    {line}\n" for line in LISTEN.splitlines())


@pytest.mark.parametrize(
    "cls, app, conf, options",
    [("sync", "", IN_THE_FILE, ()), ("gthread", "", IN_THE_FILE, ("--preload",)),
     ("gthread", LISTEN, "", ()), ("sync", LISTEN, "", ("--debugger",))],
    ids=["post_fork of sync", "post_fork of gthread with preload", "gthread's app", "the debugger's app"],
)
def test_debugpy_attaches_and_stops_at_a_breakpoint(tmp_path, cls, app, conf, options):
    file = tmp_path / "app.py"
    file.write_text(app + APP)
    (tmp_path / "listens.py").write_text(conf)
    port = servers.free_port()
    options = (*options, "--timeout", "0", *(("-c", str(tmp_path / "listens.py")) if conf else ()))
    with servers.running(server(cls, *options), "app", cwd=tmp_path, env={"DEBUG_PORT": str(port)}) as run:
        with contextlib.closing(Debugger(port)) as debugger, ThreadPoolExecutor(1) as pool:
            debugger.attach(file, STOP + app.count("\n"))
            answer = pool.submit(client.get, run.port, "/", timeout=60)
            assert debugger.look("secret") == (STOP + app.count("\n"), "'found by the client'")
            assert answer.result().body == b"found by the client"
