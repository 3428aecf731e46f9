"""A CPython that is linked to musl, as in Alpine's images: pip takes the wheel, and its shim in C serves."""
from __future__ import annotations

import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from user import ROOT, User

WSGI = """\
import sys, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.2)
    body = environ["wsgi.input"].read() or sys.prefix.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """\
import sys

async def app(scope, receive, send):
    if scope["type"] == "http":
        body = (await receive())["body"] or sys.prefix.encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture(scope="module")
def python() -> Path:
    folder = ROOT / "build" / "pythonmusl"
    subprocess.run([ROOT / "packaging" / "cpython", "musl", folder], check=True)
    python = folder / "bin" / "python3.13"
    said = subprocess.run(["readelf", "--program-headers", python], capture_output=True, text=True, check=True).stdout
    assert "interpreter: /lib/ld-musl-" in said
    return python


@pytest.mark.parametrize("source", [WSGI, ASGI], ids=["wsgi", "asgi"])
def test_the_wheel_serves_with_its_shim_in_c(user: User, python: Path, source: str) -> None:
    env = user.venv(python)
    user.pip(env / "bin" / "python", "girin")
    served = user.serve(env / "bin" / "girin", "app:app", "-b", "{bind}", "-w", "2", "--threads", "8", cwd=user.app(source=source))

    assert served.python()[1].startswith("C (cp313)"), served.said()
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: served.get("slow"), range(32))) == {str(env)}
    with urllib.request.urlopen(served.url, data=b"x" * 60_000, timeout=10) as answer:
        assert answer.read() == b"x" * 60_000
