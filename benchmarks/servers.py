"""Starts the servers that are compared, and reads what their processes cost.

A Server is a command line; `running` starts it on a free port, waits for its
first answer, and ends it with every process that it made. Linux only: costs
are read from /proc.
"""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import client

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
GIRIN = Path(os.environ.get("GIRIN", ROOT / "bin" / "girin"))
BIN = Path(sys.executable).parent  # where gunicorn and the others were installed
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A server and its settings, for any app. {port} and {app} in the command
    are filled in when it starts."""
    maker: str
    setting: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.maker} {self.setting}"

    @property
    def installed(self) -> bool:
        return shutil.which(self.command[0]) is not None


def setting(worker_class: str, workers: int, threads: int) -> str:
    return f"{worker_class} {workers}x{threads}" if threads > 1 else f"{worker_class} {workers}"


def girin(worker_class: str, workers: int, threads: int = 1, *more: str) -> Server:
    return Server("girin", setting(worker_class, workers, threads), (
        str(GIRIN), "serve", "--python", sys.executable, "--log-level", "warning",
        "-b", "127.0.0.1:{port}", "-k", worker_class, "-w", str(workers), "--threads", str(threads),
        *more, "{app}"))


def girin_auto(*more: str) -> Server:
    """girin as it is without -w, --threads and -k."""
    return Server("girin", "auto", (
        str(GIRIN), "serve", "--python", sys.executable, "--log-level", "warning", "-b", "127.0.0.1:{port}", *more, "{app}"))


def gunicorn(worker_class: str, workers: int, threads: int = 1, *more: str) -> Server:
    # The control socket's path is the same for every gunicorn of a user.
    new = int(metadata.version("gunicorn").partition(".")[0]) > 23
    return Server("gunicorn", setting(worker_class, workers, threads), (
        str(BIN / "gunicorn"), "--log-level", "warning", *(["--no-control-socket"] if new else []),
        "-b", "127.0.0.1:{port}", "-k", worker_class, "-w", str(workers), "--threads", str(threads),
        *more, "{app}"))


def granian(workers: int, threads: int = 1) -> Server:
    return Server("granian", f"{workers}x{threads}", (
        str(BIN / "granian"), "--interface", "wsgi", "--http", "1", "--no-ws", "--log-level", "warning",
        "--host", "127.0.0.1", "--port", "{port}",
        "--workers", str(workers), "--blocking-threads", str(threads), "{app}"))


def uwsgi(workers: int, threads: int = 1) -> Server:
    return Server("uwsgi", f"{workers}x{threads}", (
        str(BIN / "uwsgi"), "--http11-socket", "127.0.0.1:{port}", "--master", "--die-on-term", "--need-app",
        "--disable-logging", "--lazy-apps", "--virtualenv", str(BIN.parent),
        "--processes", str(workers), *(["--threads", str(threads)] if threads > 1 else []), "--module", "{app}"))


@dataclass
class Running:
    """A server that answers."""
    server: Server
    port: int
    process: subprocess.Popen
    log: Path = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def children(self) -> list[int]:
        """The processes that the master started itself."""
        return [pid for pid, parent in parents().items() if parent == self.process.pid]

    @property
    def tree(self) -> list[int]:
        """The master and all that descend from it."""
        found, kin = [], parents()
        queue = [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += [child for child, parent in kin.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """User and system time of the tree so far, with that of its dead."""
        return sum(sum(map(int, stat[11:15])) for stat in map(process_stat, self.tree) if stat) / TICKS

    def pss_mib(self) -> float:
        return sum(map(pss_mib, self.tree))

    def output(self) -> str:
        return self.log.read_text(errors="replace")


def process_stat(pid: int) -> list[str]:
    """/proc/PID/stat from its third field (state) on, see proc(5); [] if it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def parents() -> dict[int, int]:
    stats = {int(p.name): process_stat(int(p.name)) for p in Path("/proc").iterdir() if p.name.isdigit()}
    return {pid: int(stat[1]) for pid, stat in stats.items() if stat}


def pss_mib(pid: int) -> float:
    """A process's memory, of shared pages its share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def launch(server: Server, app: str, cwd: Path, port: int, log, env: dict[str, str] | None = None, stdin=subprocess.DEVNULL) -> subprocess.Popen:
    command = [part.format(port=port, app=app) for part in server.command]
    return subprocess.Popen(command, cwd=cwd, stdin=stdin, stdout=log, stderr=log,
                            env={**os.environ, **(env or {})}, start_new_session=True)


@contextlib.contextmanager
def running(server: Server, app: str, cwd: Path = EXAMPLES, env: dict[str, str] | None = None, within: float = 30, answers=None):
    """The server with the app, from its first answer to / (of any status) on; answers(run, within) waits for that."""
    with tempfile.NamedTemporaryFile(prefix="server-", suffix=".log") as log:
        port = free_port()
        process = launch(server, app, cwd, port, log, env)
        run = Running(server, port, process, Path(log.name))
        try:
            (answers or await_answer)(run, within)
            yield run
        finally:
            end(process)


def await_answer(run: Running, within: float = 30, path: str = "/") -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if run.process.poll() is not None:
            raise RuntimeError(f"{run.server.name} ended with {run.process.returncode}:\n{run.output()}")
        with contextlib.suppress(OSError, client.BadResponse):
            client.get(run.port, path, timeout=within)
            return
        time.sleep(0.002)
    raise TimeoutError(f"{run.server.name} did not answer within {within} s:\n{run.output()}")


def settle(run: Running, within: float = 30) -> None:
    """Waits until the server is at rest: the first answer comes from the
    first worker, while others may still import the app."""
    deadline = time.monotonic() + within
    spent, before = run.cpu_seconds(), -1.0
    while spent != before:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{run.server.name} still computes after {within} s:\n{run.output()}")
        time.sleep(0.1)
        before, spent = spent, run.cpu_seconds()


def end(process: subprocess.Popen) -> None:
    """Ends a server as its user would, and whatever is then left of it at once."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
