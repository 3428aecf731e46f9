"""Platforms that start gunicorn by themselves: one line in gunicorn.conf.py makes it girin."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from user import User, versions

CONF = "import girin; girin.replace_gunicorn()\n"


@pytest.fixture
def env(environment: Callable[..., Path]) -> Path:
    return environment(versions()[max(versions())], "girin", "gunicorn", "flask")


def program(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/exe")


@pytest.mark.parametrize("command", [["gunicorn"], ["python", "-m", "gunicorn"]], ids=["script", "module"])
def test_gunicorn_becomes_girin(user: User, env: Path, command: list[str]) -> None:
    app = user.app()
    (app / "gunicorn.conf.py").write_text(CONF + "workers = 3\n")
    served = user.serve(env / "bin" / command[0], *command[1:], "app:app", "--bind", "{bind}", "--threads", "2", cwd=app)
    assert program(served.process.pid).endswith("/girin/bin/girin")
    assert served.get().split()[1] == str(env)
    assert served.said().count("Starting g") == 1
    assert "Booting worker" in served.said() and served.said().count("Booting worker") == 3  # the file's other settings hold


def test_as_azure_starts_it(user: User, env: Path) -> None:
    """Its start script runs gunicorn with $GUNICORN_CMD_ARGS and an application, from another folder."""
    app = user.app("site/wwwroot")
    conf = app / "gunicorn.conf.py"
    conf.write_text(CONF)
    log = user.home / "access.log"
    served = user.serve(
        env / "bin" / "gunicorn", "app:app", cwd=user.home,
        GUNICORN_CMD_ARGS=f"--timeout 600 --access-logfile '{log}' --error-logfile '-' -c '{conf}' --chdir={app} --bind={{bind}}")
    assert program(served.process.pid).endswith("/girin/bin/girin")
    assert served.get().split()[1] == str(env)
    user.leave()  # what is logged is written behind the requests, and before the end
    assert '"GET / HTTP/1.1" 200' in log.read_text()


def test_girin_itself_reads_the_file_without_turning_in_circles(user: User, env: Path) -> None:
    app = user.app()
    (app / "gunicorn.conf.py").write_text("import gunicorn.app.base\n" + CONF)
    served = user.serve(env / "bin" / "girin", "app:app", "--bind", "{bind}", cwd=app)
    assert served.get().split()[1] == str(env)


def test_settings_that_cannot_be_read_are_said(user: User, env: Path) -> None:
    app = user.app()
    (app / "gunicorn.conf.py").write_text(CONF)
    with pytest.raises(AssertionError, match="--no-such-option"):
        user.run(env / "bin" / "girin", "app:app", "--no-such-option", cwd=app)
