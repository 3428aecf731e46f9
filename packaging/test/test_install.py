"""pip install girin, in a fresh environment of each CPython: no flag, no compiler, the shim in C."""
from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from user import ROOT, User, versions


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


@pytest.mark.edges
@pytest.mark.parametrize("fault, said", [("archive", "the system cannot run a program that lies in "), ("machine", "Exec format error"), ("missing", "was the package installed whole?")])
def test_a_program_that_cannot_run_is_said_in_one_line(user: User, cpython: str, environment: Environment, fault: str, said: str) -> None:
    """A zipapp, another machine's program, one that was left out."""
    env = environment(cpython, "girin", "flask")
    installed = Path(user.run(env / "bin" / "python", "-c", "import girin, os; print(os.path.dirname(girin.__file__))").strip())
    folder = user.home / "site"
    shutil.copytree(installed, folder / "girin", ignore=shutil.ignore_patterns("bin"))
    if fault == "machine":
        (folder / "girin" / "bin").mkdir()
        (folder / "girin" / "bin" / "girin").write_bytes(b"\x7fELF of none")
    command = [cpython, "-c", "import girin; girin.main()"]
    if fault == "archive":
        user.run(cpython, "-m", "zipapp", folder, "-m", "girin:main", "-o", user.home / "app.pyz")
        command = [cpython, user.home / "app.pyz"]
    done = subprocess.run(command, cwd=user.app(), env=user.environ(PYTHONPATH=str(folder)), capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("girin: ") and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_the_launcher_costs_a_start_less_than_a_tenth_of_a_second(user: User, cpython: str, environment: Environment) -> None:
    """Of CPU: what a busy machine adds by waiting is not the launcher's."""
    env = environment(cpython, "girin", "flask")

    def best(*command: Path | str) -> float:
        took = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            user.run(*command)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
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


def test_the_source_archive_builds_with_go_and_says_one_line_without(user: User, dist: Path) -> None:
    cpython = versions()[max(versions())]
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
