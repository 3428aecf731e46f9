"""Configuration files, hooks and apps that close descriptors which are not their own. What files may close
at the start stands in the differential tests; here is where gunicorn itself would lose its sockets."""
from __future__ import annotations

import signal
from dataclasses import replace

import client
import pytest
import servers
from waiting import until

APP = """
import os
{code}
def application(environ, start_response):
    start_response("200 OK", [])
    return [os.environ.get("LOADS", "-").encode()]
"""
ALL = "os.closerange(3, 4096)"
IN_C = "import ctypes; [ctypes.CDLL(None).close(number) for number in range(3, 300)]"


def with_file(girin: servers.Server, folder, config: str, code: str = "") -> servers.Server:
    (folder / "app.py").write_text(APP.format(code=code))
    (folder / "gunicorn.conf.py").write_text("import os\n" + config)
    return replace(girin, command=tuple("info" if part == "warning" else part for part in girin.command))

# What requests come by are pipes.
WHILE_IT_RUNS = """
import os
def pipes():
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number > 2 and os.readlink("/proc/self/fd/%d" % number).startswith("pipe:"):
                yield number
        except OSError:
            pass
def application(environ, start_response):
    if environ["PATH_INFO"] == "/close":
        for number in list(pipes()):
            {code}
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""
ON_A_LOOP = """
async def asgi(scope, receive, send):
    answer = application({{"PATH_INFO": scope["path"]}}, lambda *given: None)
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": answer[0]}})
"""


@pytest.mark.parametrize("timeout", ["30", "0"])
@pytest.mark.parametrize("code", ["os.close(number)", "os.dup2(os.open(os.devnull, os.O_RDONLY), number)"], ids=["closed", "another's"])
def test_an_app_that_closes_what_requests_come_by(girin, tmp_path, code, timeout):
    """The worker would wait for ever, and serve nothing."""
    (tmp_path / "app.py").write_text(WHILE_IT_RUNS.format(code=code))
    server = replace(girin, command=(*girin.command[:-1], "-w", "1", "--timeout", timeout, girin.command[-1]))
    with servers.running(server, "app", tmp_path) as run:
        closed = client.get(run.port, "/close").body
        # gevent's os.close waits for a turn of the loop.
        until(lambda: client.get(run.port, "/", timeout=60) and "Descriptors that the server needs were closed" in run.output(), 60)
        assert client.get(run.port, "/").body != closed


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_asgi_app_that_closes_what_requests_come_by(tmp_path, loop):
    (tmp_path / "app.py").write_text((WHILE_IT_RUNS + ON_A_LOOP).format(code="os.close(number)"))
    with servers.running(servers.girin("asgi", 1, 1, "--asgi-loop", loop), "app:asgi", tmp_path) as run:
        closed = client.get(run.port, "/close").body
        until(lambda: "Descriptors that the server needs were closed" in run.output(), 60)
        assert client.get(run.port, "/").body != closed


def test_a_file_that_closes_all_at_each_reload(girin, tmp_path):
    config = f"{ALL}\nos.environ['LOADS'] = str(int(os.environ.get('LOADS', '0')) + 1)\n"
    with servers.running(with_file(girin, tmp_path, config), "app", tmp_path) as run:
        assert client.get(run.port, "/").body == b"1"
        run.process.send_signal(signal.SIGHUP)
        try:
            until(lambda: client.get(run.port, "/").body == b"2", 60)
        except AssertionError:
            pytest.fail(run.output())


HOOKS = ["on_starting(server)", "when_ready(server)", "pre_fork(server, worker)", "post_fork(server, worker)", "post_worker_init(worker)"]


def test_hooks_that_close_all(girin, tmp_path):
    config = "".join(f"def {hook}: {ALL}\n" for hook in HOOKS)
    with servers.running(with_file(girin, tmp_path, config), "app", tmp_path) as run:
        for _ in range(3):
            assert client.get(run.port, "/").body == b"-"


@pytest.mark.parametrize("config", ["", "preload_app = True\n"], ids=["each", "preload"])
def test_an_app_that_closes_all_while_it_is_imported(girin, tmp_path, config):
    with servers.running(with_file(girin, tmp_path, config, ALL), "app", tmp_path) as run:
        for _ in range(3):
            assert client.get(run.port, "/").body == b"-"


@pytest.mark.parametrize("config, code", [(IN_C, ""), (f"def on_starting(server): {IN_C}", ""), (f"def post_fork(server, worker): {IN_C}", ""), ("", IN_C)],
                         ids=["file", "master", "worker", "app"])
def test_who_closes_them_by_other_means_is_told(tmp_path, config, code):
    girin = with_file(servers.girin("gthread", 1, 2), tmp_path, config, code)
    with pytest.raises(RuntimeError, match="Descriptors that the server needs were closed"):
        with servers.running(girin, "app", tmp_path):
            pass
