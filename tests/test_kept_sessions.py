"""Where auto chooses how many processes there are, an application that keeps clients' sessions in its own has one."""
import dataclasses
import signal

import pytest

import client
import servers
from asgi_server import APPS
from waiting import until

LINE = "keeps its clients' sessions in the application's process"


def girin(*options):
    return dataclasses.replace(servers.girin_auto("--log-level", "info", *options), setting="auto")


def processes(run) -> set[int]:
    return {int(client.get(run.port, "/").body) for _ in range(30)}


@pytest.mark.parametrize("options, app", [
    ([], "socketio()"),
    ([], "wsgi_socketio()"),
    ([], "layer()"),
    ([], "manager(False)"),
    (["--preload"], "socketio()"),
])
def test_one_process(options, app):
    with servers.running(girin(*options), f"sessions:{app}", APPS) as run:
        until(lambda: LINE in run.output(), 20)
        until(lambda: len(run.children) == 1 + bool(options), 20)
        assert len(processes(run)) == 1
        assert "each with its own memory" not in run.output()


def test_one_process_after_a_reload(tmp_path):
    app = tmp_path / "now.py"
    app.write_text("import sessions\napp = sessions.none()\n")
    with servers.running(girin("--pythonpath", str(APPS)), "now:app", tmp_path) as run:
        until(lambda: "Ready after" in run.output(), 20)
        app.write_text("import sessions\napp = sessions.socketio()  # now\n")
        run.process.send_signal(signal.SIGHUP)
        until(lambda: LINE in run.output() and len(run.children) == 1, 20)
        assert len(processes(run)) == 1


@pytest.mark.parametrize("options, app", [([], "none()"), ([], "manager(True)"), (["-k", "asgi", "-w", "2"], "socketio()")])
def test_as_many_as_there_are_else(options, app):
    with servers.running(girin(*options), f"sessions:{app}", APPS) as run:
        until(lambda: len(run.children) > 1, 20)
        assert LINE not in run.output()
