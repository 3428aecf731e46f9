"""CPython on musl, as Alpine has it: pip takes the wheel, and its program and the shim in C run there."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from user import ROOT, User

ASGI = """\
import os, sys

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("only http")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{sys.executable}\\n{sys.prefix}\\n".encode()})
"""


@pytest.fixture(scope="session")
def python() -> Path:
    folder = ROOT / "build" / "python-musl"
    subprocess.run([ROOT / "packaging" / "cpython", "musl", folder], check=True)
    return folder / "bin" / "python3.13"


@pytest.fixture
def env(environment: Callable[..., Path], python: Path) -> Path:
    return environment(str(python), "girin", "flask")


def test_the_python_is_one_of_musl(user: User, env: Path) -> None:
    maps = user.run(env / "bin" / "python", "-c", "print(open('/proc/self/maps').read())")
    assert "musl" in maps and "libc.so.6" not in maps


@pytest.mark.parametrize("arguments", [[], ["-k", "sync", "-w", "2"], ["-w", "1", "--threads", "4"], ["--preload", "-w", "2"]], ids=["auto", "sync", "gthread", "preload"])
def test_it_serves_flask_with_the_shim_in_c(user: User, env: Path, arguments: list[str]) -> None:
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", *arguments, cwd=user.app())
    assert served.get().split()[1] == str(env)
    assert served.python()[1].startswith("C (cp313)"), served.said()
    state = json.loads(user.run(env / "bin" / "girin", "ctl", "status", "--json", "--pid", str(served.process.pid)))
    assert state


def test_it_serves_asgi_with_the_shim_in_c(user: User, env: Path) -> None:
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "-k", "asgi", cwd=user.app(source=ASGI))
    assert served.get().split()[1] == str(env)
    assert served.python()[1].startswith("C (cp313)"), served.said()
