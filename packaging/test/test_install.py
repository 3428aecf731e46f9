"""pip install girin, in a fresh environment of each CPython: no flag, no compiler, the shim in C."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from user import ROOT, User


Environment = Callable[..., Path]


def test_an_environment_serves_with_its_own_python_and_the_shim_in_c(user: User, cpython: str, environment: Environment) -> None:
    env = environment(cpython, "girin", "flask")
    served = user.serve(env / "bin" / "girin", "app:app", cwd=user.app(), GUNICORN_CMD_ARGS="-b {bind}")

    executable, prefix = served.get().split()
    assert prefix == str(env)
    python, shim = served.python()
    assert python.startswith(str(env)) and executable.startswith(str(env))
    minor = re.search(r"python3\.(\d+)", os.path.realpath(python))[1]
    assert shim.startswith(f"C (cp3{minor})"), shim

    version = user.run(env / "bin" / "python", "-m", "girin", "--version").split()[1]
    assert f"Starting girin {version}\n" in served.said()
    assert user.run(env / "bin" / "python", "-c", "import girin; print(girin.__version__)").strip() == version


def test_the_server_is_the_process_that_was_started(user: User, cpython: str, environment: Environment) -> None:
    """What systemd and a shell see: one process, which takes their signals."""
    env = environment(cpython, "girin", "flask")
    for command in ([env / "bin" / "girin"], [env / "bin" / "python", "-m", "girin"]):
        served = user.serve(*command, "app:app", "-b", "{bind}", cwd=user.app())
        assert os.readlink(f"/proc/{served.process.pid}/exe").endswith("/girin/bin/girin")
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0, served.said()


@pytest.mark.edges
def test_a_copied_package_whose_program_lost_its_mode_serves(user: User, cpython: str) -> None:
    """An image stage that copies site-packages, by a tool that keeps no modes."""
    folder = user.home / "site"
    user.run(cpython, "-m", "pip", "install", "--quiet", "--no-index", "--target", folder,
             *(f"--find-links={link}" for link in user.links), "girin", "flask")
    (folder / "girin" / "bin" / "girin").chmod(0o644)
    served = user.serve(cpython, "-m", "girin", "app:app", "-b", "{bind}", cwd=user.app(), PYTHONPATH=str(folder))
    assert served.get().split()[0].startswith(str(Path(cpython).parent))


def test_the_launcher_costs_a_start_less_than_a_tenth_of_a_second(user: User, cpython: str, environment: Environment) -> None:
    env = environment(cpython, "girin", "flask")

    def best(*command: Path | str) -> float:
        took = []
        for _ in range(5):
            began = time.monotonic()
            user.run(*command)
            took.append(time.monotonic() - began)
        return min(took)

    program = user.run(env / "bin" / "python", "-c", "import girin; print(girin.binary())").strip()
    assert best(env / "bin" / "girin", "--version") - best(program, "--version") < 0.1


def test_the_program_tells_what_it_was_built_from(user: User, dist: Path) -> None:
    program = ROOT / "build" / "release" / "linux-amd64" / "girin"
    told = json.loads(user.run(program, "version", "--json"))
    assert told["release"] and not told["cgo"] and not told["modified"] and told["go"].startswith("go1.")
    assert told["accelerators"] == ["abi3", *sorted(f"cp3{minor}" for minor in range(9, 16))]
    assert told["commit"] == subprocess.run([ROOT / "scripts" / "version"], capture_output=True, text=True).stdout.split()[1]
    assert (dist / f"girin-{told['version']}.tar.gz").exists()


def test_the_source_archive_says_one_line_on_windows() -> None:
    build = "import sys; sys.platform = 'win32'; import backend; backend.build_wheel('.')"
    said = subprocess.run([sys.executable, "-c", build], cwd=ROOT / "packaging" / "pypi", capture_output=True, text=True)
    assert said.returncode == 1 and said.stderr.startswith("girin: it does not run on Windows itself") and said.stderr.count("\n") == 1, said.stderr


@pytest.mark.edges
def test_the_source_archive_builds_with_go_and_says_one_line_without(user: User, cpython: str, dist: Path) -> None:
    version = json.loads(user.run(ROOT / "build" / "release" / "linux-amd64" / "girin", "version", "--json"))["version"]
    archive = dist / f"girin-{version}.tar.gz"
    env = user.venv(cpython)
    said = subprocess.run([env / "bin" / "python", "-m", "pip", "install", "--no-index", archive], text=True,
                          env=user.environ(), capture_output=True)
    assert said.returncode != 0
    assert "girin: no wheel fits this platform, and building it needs Go: https://go.dev/doc/install" in said.stderr + said.stdout

    go = {name: value for name, value in os.environ.items() if name.startswith("GO")}
    for name in ("GOCACHE", "GOMODCACHE", "GOROOT", "GOPROXY", "GOFLAGS"):
        go[name] = subprocess.run(["go", "env", name], capture_output=True, text=True, check=True).stdout.strip()
    user.run(env / "bin" / "python", "-m", "pip", "install", "--no-index", archive,
             PATH=f"{go['GOROOT']}/bin:/usr/local/bin:/usr/bin:/bin", **{n: v for n, v in go.items() if n != "GOROOT"})
    assert user.run(env / "bin" / "girin", "--version") == f"girin {version}\n"
