"""Clients that leave: Starlette's endpoints see the same under girin as under uvicorn."""
import sys
from pathlib import Path

import pytest

import asgi_server
import servers
from servers import BIN, Server
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "faults"))
import raw  # noqa: E402

SERVERS = {
    "girin": servers.girin_auto("-k", "asgi", "-w", "1"),
    "girin, Python": servers.girin_auto("-k", "asgi", "-w", "1", "--no-accelerator"),
    "girin, auto": servers.girin_auto("-w", "1"),
    "uvicorn": Server("uvicorn", "1", (str(BIN / "uvicorn"), "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning", "{app}")),
}
LEAVES = {
    "/watch": (b"", "watches", "is_disconnected"),
    "/busy": (b"data: x", None, "busy: CancelledError"),
    "/idle": (b"data: x", None, "idle: CancelledError"),
}


EACH = [(name, app) for name in SERVERS for app in ("plain", "wrapped")]
# The middleware of wrapped tells its endpoint nothing before the end, under no server.
CASES = [(each, path) for each in EACH for path in LEAVES if path != "/watch" or each[1] == "plain"]


@pytest.fixture(scope="module")
def served(request):
    name, app = request.param
    with servers.running(SERVERS[name], f"leaving:{app}", asgi_server.APPS) as run:
        yield asgi_server.Served(run)


def seen(server) -> list:
    return server.get("/").json()


def more_than(before, server, what) -> bool:
    return seen(server).count(what) > before.count(what)


@pytest.mark.parametrize(("served", "path"), CASES, indirect=["served"], ids=str, scope="module")
def test_who_leaves_is_noticed(served, path):
    comes, begins, ends = LEAVES[path]
    before = seen(served)
    s = raw.connect(served.port)
    s.sendall(raw.head(path))
    came = b""
    while comes not in came:
        came += s.recv(1000)
    if begins:
        until(lambda: more_than(before, served, begins), 20)
    s.close()
    until(lambda: more_than(before, served, ends), 20)


@pytest.mark.parametrize("served", EACH, indirect=True, ids=str, scope="module")
def test_who_leaves_amid_its_body(served):
    before = seen(served)
    s = raw.connect(served.port)
    s.sendall(raw.head("/read", "Content-Length: 100000", method="POST") + b"x" * 1000)
    until(lambda: more_than(before, served, "reads"), 20)
    s.close()
    until(lambda: more_than(before, served, "read: ClientDisconnect"), 20)
