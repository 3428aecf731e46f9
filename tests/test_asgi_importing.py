"""An application finds its event loop while it is imported, whichever server's way it was written for."""
import dataclasses

import pytest

import client
import servers
from asgi_server import APPS
from waiting import until

OPTIONS = [["--asgi-loop", "asyncio"], ["-k", "asgi", "-w", "1", "--asgi-loop", "asyncio"], ["-k", "asgi", "-w", "1", "--asgi-loop", "uvloop"]]


@pytest.mark.parametrize("way, answer", [
    ("current", b"True True True"),
    ("own", b"True True True"),
    ("running", b"True True True"),
    ("runs", b"served"),
    ("closes", b"served"),
    ("closes_the_current", b"served"),
    ("in_a_thread", b"served"),
])
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_what_an_import_does_with_loops(options, way, answer):
    server = dataclasses.replace(servers.girin_auto("--log-level", "info", *options), setting=way)
    with servers.running(server, "importing:app", APPS, {"WAY": way}) as run:
        assert client.get(run.port, "/").body == answer


def test_a_hook_that_leaves_no_loop(tmp_path):
    (tmp_path / "hook.py").write_text("import asyncio\ndef post_fork(server, worker): asyncio.run(asyncio.sleep(0))\n")
    server = dataclasses.replace(servers.girin_auto("--log-level", "info", "-k", "asgi", "-w", "1", "-c", str(tmp_path / "hook.py")), setting="hook")
    with servers.running(server, "importing:app", APPS, {"WAY": "runs"}) as run:
        assert client.get(run.port, "/").body == b"served"


@pytest.mark.parametrize("options", [[], ["-c", "logging_conf.py"]], ids=["alone", "with a configuration file"])
def test_uvicorns_loggers(options, tmp_path):
    (tmp_path / "logging_conf.py").write_text("wsgi_app = 'logs:app'")
    (tmp_path / "logs.py").write_text("""
import logging
logging.getLogger("uvicorn").handlers[0].setFormatter(logging.Formatter("FORMATTED %(message)s"))
logging.getLogger("uvicorn.access").handlers[0].setFormatter(logging.Formatter("%(message)s"))
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("none")
    logging.getLogger("uvicorn").info("by uvicorn")
    logging.getLogger("uvicorn.error").warning("by uvicorn.error")
    logging.getLogger("uvicorn.error").debug("too little")
    logging.getLogger("gunicorn.error").warning("as it was")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"logged"})
""")
    server = dataclasses.replace(servers.girin_auto("--log-level", "info", "-k", "asgi", "-w", "1", *options), setting="logs")
    with servers.running(server, "logs:app", tmp_path) as run:
        assert client.get(run.port, "/").body == b"logged"
        until(lambda: "[WARNING] FORMATTED by uvicorn.error\n" in run.output(), 10)
        until(lambda: "[WARNING] as it was\n" in run.output(), 10)
        assert "[INFO] FORMATTED by uvicorn\n" in run.output() and "too little" not in run.output()
