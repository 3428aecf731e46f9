"""Where auto chooses how many processes there are, an application that keeps clients' sessions in its own has one."""
import dataclasses

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


@pytest.mark.parametrize("options, app", [([], "none()"), ([], "manager(True)"), (["-k", "asgi", "-w", "2"], "socketio()")])
def test_as_many_as_there_are_else(options, app):
    with servers.running(girin(*options), f"sessions:{app}", APPS) as run:
        until(lambda: len(run.children) > 1, 20)
        assert LINE not in run.output()
