"""An accepted job that INT or QUIT, or the end of the time to end in, interrupts has not failed: it is run again."""
import signal

import pytest
import requests

import servers
from waiting import until

WSGI = """
import os, time

def note(text):
    with open("runs", "a") as f:
        f.write(text + "\\n")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        note("begun")
        for _ in range(100 if os.path.exists("slow") else 0):
            time.sleep(0.1)
        note("done")
    start_response("200 OK", [])
    return [b"served"]
"""
ASGI = WSGI + """
async def app(scope, receive, send):
    import asyncio
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    if scope["path"] == "/slow":
        note("begun")
        await asyncio.sleep(10 if os.path.exists("slow") else 0)
        note("done")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
"""


@pytest.mark.parametrize("worker_class, code, number", [
    ("sync", WSGI, signal.SIGINT),
    ("gevent", WSGI, signal.SIGQUIT),
    ("asgi", ASGI, signal.SIGINT),
    ("asgi", ASGI, signal.SIGTERM),
])
def test_it_is_run_again(tmp_path, worker_class, code, number):
    def serving():
        server = servers.girin(worker_class, 1, 1, "--offload", "/slow,async", "--offload-dir", str(tmp_path / "store"),
                               "--graceful-timeout", "2", "--log-level", "info")
        return servers.running(server, "slow:app", cwd=tmp_path, env={"GIRIN_RUNTIME_DIR": str(tmp_path / "run")})

    def runs():
        return (tmp_path / "runs").read_text().split() if (tmp_path / "runs").exists() else []

    (tmp_path / "slow.py").write_text(code)
    (tmp_path / "slow").touch()
    with serving() as run:
        until(lambda: "Jobs: connected" in run.output(), within=30)
        accepted = requests.put(run.url + "/slow", data=b"x", timeout=30)
        assert accepted.status_code == 202
        until(lambda: runs() == ["begun"], within=30)
        (tmp_path / "slow").unlink()
        run.process.send_signal(number)
        assert run.process.wait(30) == 0
    with serving() as run:
        until(lambda: "Jobs: connected" in run.output(), within=30)
        until(lambda: runs() == ["begun", "begun", "done"], within=40)
        until(lambda: requests.get(run.url + accepted.json()["result"], timeout=30).text == "served", within=10)
