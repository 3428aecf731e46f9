"""girin on a terminal: it asks one nothing, for some never answer."""
from __future__ import annotations

import contextlib
import os
import pty
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import client
import servers
from waiting import readable

COMMANDS = ["--version", "--help", "serve --help", "bench --help", "lab --help", "ctl --help", "top --help", "serve no_module:app --check-config"]


def on_silent_terminal(*command: str, within: float = 10, term: str = "xterm") -> tuple[bytes, float]:
    """What a command writes to a terminal that answers nothing, and how long it takes."""
    began, pid, terminal = time.monotonic(), *pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": term})
    written = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
        while time.monotonic() - began < within:
            if readable(terminal, 0.05):
                written += os.read(terminal, 1 << 16)
    took = time.monotonic() - began
    os.close(terminal)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return written, took


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_asks_the_terminal(command):
    written, took = on_silent_terminal(str(servers.GIRIN), *command.split())
    assert written and b"\x1b" not in written
    assert took < 4  # the answer to a question is waited for for 5 s


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("term, live", [("xterm", True), ("dumb", False)])
@pytest.mark.parametrize("options", [(), ("--live",)], ids=str)
def test_only_a_terminal_that_can_is_drawn_over(term, live, options):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            written, _ = on_silent_terminal(str(servers.GIRIN), "bench", "-d", "600ms", *options, url, within=30, term=term)
        finally:
            server.shutdown()
    assert b"Complete requests:" in written
    assert (b"\x1b[" in written) == live


DEBUGGED = """
import os
def application(environ, start_response):
    secret = "found by the debugger"
    if environ["PATH_INFO"] == "/tty":
        try:
            open("/dev/tty").readline()
            answer = b"read"
        except OSError as e:
            answer = type(e).__name__.encode()
    elif environ["PATH_INFO"] == "/session":
        answer = str(os.getsid(0)).encode()
    elif environ["PATH_INFO"] == "/break":
        breakpoint()
        answer = b"went on"
    else:
        answer = input("what? ").encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
"""


class Terminal:
    """girin on a terminal that a user types on."""

    def __init__(self, folder, *options: str) -> None:
        (folder / "app.py").write_text(DEBUGGED)
        self.port, self.written = servers.free_port(), b""
        command = [str(servers.GIRIN), "serve", "--python", sys.executable, "-b", f"127.0.0.1:{self.port}", *options, "app"]
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvp(command[0], command)
        self.shows(b"Ready after")

    def shows(self, text: bytes) -> None:
        deadline = time.monotonic() + 20
        while text not in self.written:
            assert time.monotonic() < deadline, self.written.decode(errors="replace")
            if readable(self._terminal, 0.05):
                self.written += os.read(self._terminal, 1 << 16)

    def types(self, text: bytes) -> None:
        self.written = b""
        os.write(self._terminal, text + b"\n")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        with contextlib.suppress(OSError):
            while os.read(self._terminal, 1 << 16):
                pass
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 0
        os.close(self._terminal)


@pytest.fixture
def terminal(tmp_path):
    made = []

    def start(*options: str) -> Terminal:
        made.append(Terminal(tmp_path, *options))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.mark.parametrize("conf", ["", "import os\nos.environ['A'] = '1'\n"], ids=["", "with a configuration file"])
def test_the_debugger_has_the_terminal(terminal, conf, tmp_path):
    if conf:  # the worker is forked
        (tmp_path / "gunicorn.conf.py").write_text(conf)
    run = terminal("--debugger", "-t", "1", "-k", "gthread", "-w", "3")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.get, run.port, "/break", timeout=30)
        run.shows(b"(Pdb)")
        time.sleep(1.5)  # longer than the timeout that is set aside
        run.types(b"p secret")
        run.shows(b"found by the debugger")
        run.types(b"c")
        assert answer.result().body == b"went on"
        answer = pool.submit(client.get, run.port, "/input", timeout=30)
        run.shows(b"what?")
        run.types(b"an answer")
        assert answer.result().body == b"an answer"


@pytest.mark.parametrize("options", [("-k", "sync"), (), ("--preload",), ("-k", "gevent"), ("-c", "settings.py")], ids=str)
def test_without_a_debugger_nobody_waits_for_the_terminal(terminal, tmp_path, options):
    (tmp_path / "settings.py").write_text("threads = 2\n")
    run = terminal(*options)
    began = time.monotonic()
    assert client.get(run.port, "/tty", timeout=10).body == b"OSError"
    assert client.get(run.port, "/input", timeout=10).status == 500
    assert time.monotonic() - began < 5
    # A session of their own would be a share of the processor of their own (terminal.py of the shim).
    assert int(client.get(run.port, "/session", timeout=10).body) == os.getsid(run.pid)
