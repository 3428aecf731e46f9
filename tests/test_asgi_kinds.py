"""girin finds out by itself that an app speaks ASGI, in every class and in every form that an app has."""
import contextlib
import dataclasses
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from websockets.sync.client import connect

import asgi_server
import client
import servers
from h2bridge import bridged
from servers import GIRIN
from waiting import until

APPS = Path(__file__).parent / "apps" / "asgi"
LINE = "The application speaks ASGI: the class is asgi, not"


def girin(*options):
    """girin with these options and nothing else, so that it chooses its class."""
    return dataclasses.replace(servers.girin_auto("--log-level", "info", *options), setting=" ".join(options) or "auto")


@pytest.mark.parametrize("name", ["app", "an_object", "Two", "two", "plain", "partial", "create_app()"])
def test_each_form_of_an_app(name):
    with servers.running(girin("--threads", "4"), f"kinds:{name}", APPS) as run:
        for _ in range(2):
            body = client.get(run.port, "/x").body
            assert body.startswith(b"asgi /x ") and body.endswith(b" 2.0" if name in ("Two", "two") else b" 3.0")
        assert LINE + " gthread: 1 event loop," in run.output()


@pytest.mark.parametrize("options", [[], ["-w", "2"], ["-k", "gthread", "--threads", "3"], ["-k", "gaiohttp"], ["-k", "asgi"], ["--preload", "-w", "2"]],
                         ids=lambda options: " ".join(options) or "auto")
def test_each_class(options):
    with servers.running(girin(*options), "kinds:app", APPS) as run:
        assert client.get(run.port, "/").body.startswith(b"asgi / ")
        assert (LINE in run.output()) == (options != ["-k", "asgi"])
        status = subprocess.run([GIRIN, "ctl", "status", "--pid", str(run.process.pid)], capture_output=True, text=True, check=True)
        assert "class asgi" in status.stdout


@pytest.mark.parametrize("options", [[], ["-k", "asgi"]], ids=["auto", "asgi"])
def test_a_factory_that_is_not_called_is_pointed_out(options):
    with pytest.raises(RuntimeError, match=r"Hint: if it returns the application, name its call: kinds:create_app\(\)"):
        with servers.running(girin(*options), "kinds:create_app", APPS):
            pass


def test_a_loop_in_place_of_a_thread_runs_many_at_once():
    """A sync worker runs one request at a time; the loop in its place 40 and more."""
    with servers.running(girin("-w", "1"), "kinds:app", APPS) as run:
        took = until(lambda: all_answer(run, "/slow", 40), 10)
        assert took < 3


def all_answer(run, path, count):
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(client.get(run.port, path).status)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses == [200] * count


def test_what_comes_before_the_app_is_known_is_served():
    """The first requests are packed when nobody knows what the app is."""
    with servers.running(girin(), "kinds:late()", APPS) as run:  # which asks from the start on
        assert all_answer(run, "/a%20b?c=d", 5)
        assert client.get(run.port, "/a%20b?c=d").body.startswith(b"asgi /a b ")


@pytest.mark.parametrize("transport", ["clear", "h2"])
def test_a_socket_that_comes_before_the_app_is_known_is_one(transport, tmp_path):
    """Its handshake waits until somebody knows the app, in place of becoming a request of WSGI's."""
    certificate = asgi_server.make_certificate(tmp_path)
    options = () if transport == "clear" else ("--certfile", f"{certificate}/cert.pem", "--keyfile", f"{certificate}/key.pem", "--http-protocols", "h2,h1")
    listens = dataclasses.replace(girin(*options), setting=transport)
    with servers.running(listens, "kinds:late('greets')", APPS, answers=connects) as run, contextlib.ExitStack() as stack:
        port = run.port if transport == "clear" else stack.enter_context(bridged(run.port)).port
        assert LINE not in run.output()
        with connect(f"ws://127.0.0.1:{port}/") as socket:
            assert socket.recv(10) == "hello"


def connects(run, within):
    """Waits until the server listens, no longer."""
    until(lambda: "Listening at" in run.output(), within)


def test_root_path():
    with servers.running(girin("--root-path", "/shop"), "kinds:app", APPS) as run:
        assert client.get(run.port, "/cart").body.startswith(b"asgi /shop/cart /shop ")
        assert client.get(run.port, "/shop/cart").body.startswith(b"asgi /shop/cart /shop ")


@pytest.mark.parametrize("options, name, text", [
    (["-k", "asgi"], "wsgi", "is a WSGI application"),
    (["-k", "gevent"], "app", "is an ASGI application"),
    ([], "create_app", "name its call: kinds:create_app()"),
])
def test_what_cannot_be_served_is_said_at_the_start(options, name, text):
    server = girin(*options)
    command = [part.format(port=servers.free_port(), app=f"kinds:{name}") for part in server.command]
    done = subprocess.run(command, cwd=APPS, capture_output=True, text=True, timeout=30)
    assert done.returncode == 4 and text in done.stderr


@pytest.mark.parametrize("before, after", [("app", "wsgi"), ("wsgi", "app")])
def test_a_reload_that_changes_the_interface_is_refused(tmp_path, before, after):
    def write(name):
        new = tmp_path / "new"
        new.write_text(f"import sys\nsys.path.insert(0, {str(APPS)!r})\nfrom kinds import {name} as application\n")
        new.rename(tmp_path / "changing.py")

    write(before)
    with servers.running(girin("-w", "1"), "changing:application", tmp_path) as run:
        was = client.get(run.port, "/").body
        write(after)
        run.process.send_signal(signal.SIGHUP)
        until(lambda: "Reload failed: the application cannot be loaded" in run.output(), 15)
        assert "has changed between WSGI and ASGI" in run.output()
        assert client.get(run.port, "/").body == was
        write(before)
        run.process.send_signal(signal.SIGHUP)
        until(lambda: "Reloaded: generation" in run.output(), 15)
        assert client.get(run.port, "/").body.split()[0] == was.split()[0]
