"""A user with a home folder and a clean environment, who installs girin and serves an application."""
from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

APP = """\
import sys
from flask import Flask
app = Flask(__name__)

@app.get("/")
def who():
    return f"{sys.executable}\\n{sys.prefix}\\n"
"""


def versions() -> dict[int, str]:
    """The CPythons of this machine by minor version, from 3.9 on: pyenv's, and python3.N in $PATH."""
    found = {}
    for minor in range(9, 16):
        given = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/3.{minor}.*/bin/python3"))
        in_path = [Path(d) / f"python3.{minor}" for d in os.environ["PATH"].split(":")]
        for python in [*given, *(p for p in in_path if p.exists())]:
            if subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True).returncode == 0:
                found[minor] = str(python)
                break
    return found


def build_accelerators(machine: str, folder: Path) -> list[Path]:
    """The shim in C for a machine, as a release has it."""
    subprocess.run([ROOT / "packaging" / "accelerators", ROOT / "build" / "headers", machine, folder], check=True,
                   env={"PATH": f"{ROOT}/build/tools/bin:/usr/bin:/bin", "PYTHON": str(ROOT / "build/tools/bin/python"), "HOME": str(folder)})
    return sorted(folder.glob("*.so"))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def typed(shell: list[str], setup: str, keys: str, until: str) -> None:
    """Waits until a shell on a terminal, to which keys were given after setup, shows a text."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(shell[0], shell, {"PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"})

    def shows(text: bytes) -> None:
        shown, end = b"", time.monotonic() + 60
        while text not in re.sub(rb"[\x00-\x1f]", b"", shown):  # a bell, and how the cursor moves
            ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
            assert ready, shown.decode(errors="replace")
            shown += os.read(terminal, 4096)

    try:
        # The prompt: with it the shell edits the line itself. What is echoed before is not what is printed.
        os.write(terminal, f"{setup}; PS1=READ'Y> '\n".encode())
        shows(b"READY> ")
        os.write(terminal, keys.encode())
        shows(until.encode())
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


@dataclass
class User:
    home: Path
    links: list[Path]
    servers: list[subprocess.Popen] = field(default_factory=list)

    def environ(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **more}

    def run(self, *command: str | Path, cwd: Path | None = None, **environ: str) -> str:
        """Runs a command to its end and returns what it printed."""
        done = subprocess.run(command, cwd=cwd or self.home, env=self.environ(**environ), text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def venv(self, python: str, path: str = "venv") -> Path:
        folder = self.home / path
        self.run(python, "-m", "venv", folder)
        return folder

    def pip(self, python: Path | str, *packages: str) -> None:
        """Installs from the folders alone, as pip install --no-index --find-links does."""
        links = [f"--find-links={folder}" for folder in self.links]
        self.run(python, "-m", "pip", "install", "--quiet", "--no-index", *links, *packages)

    def app(self, folder: str = "app", source: str = APP) -> Path:
        made = self.home / folder
        made.mkdir(parents=True, exist_ok=True)
        (made / "app.py").write_text(source)
        return made

    def serve(self, *command: str | Path, cwd: Path, **environ: str) -> "Served":
        """Starts a server whose command has {bind} where its address belongs, and waits until it answers."""
        port = free_port()
        bind = f"127.0.0.1:{port}"
        log = self.home / f"log-{port}"
        with log.open("w") as out:
            process = subprocess.Popen([str(c).replace("{bind}", bind) for c in command], cwd=cwd, stdout=out,
                                       stderr=out, env=self.environ(**{k: v.replace("{bind}", bind) for k, v in environ.items()}))
        self.servers.append(process)
        return Served(f"http://{bind}/", process, log).wait()

    def leave(self) -> None:
        for process in self.servers:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Served:
    url: str
    process: subprocess.Popen
    log: Path

    def wait(self) -> "Served":
        end = time.monotonic() + 60
        while True:
            try:
                self.get()
                return self
            except OSError:
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < end, self.said()
                time.sleep(0.05)  # an address has no event to wait for

    def get(self, path: str = "") -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def said(self) -> str:
        return self.log.read_text()

    def python(self) -> tuple[str, str]:
        """What the log says of the interpreter, and of the shim; it comes when the first worker is ready."""
        end = time.monotonic() + 20
        while True:
            if found := re.search(r"Using Python \S+ \((.*?)\), shim in (.*)", self.said()):
                return found[1], found[2]
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)


if __name__ == "__main__":
    print("\n".join(versions().values()), file=sys.stdout)
