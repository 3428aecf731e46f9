"""Celery's worker as a sidecar: it works, its end is waited for, and its pool outlives nothing."""
from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import servers
from waiting import until

if sys.version_info < (3, 10):
    pytest.skip("Celery needs Python 3.10", allow_module_level=True)

SLOW = """
import time
from compute_celery import *

@tasks.task
def slow(path):
    open(path + ".began", "w").close()
    time.sleep(1)
    open(path + ".ended", "w").close()

@app.post("/slow")
def hand_over_slow():
    slow.delay(%r)
    return "", 202
"""


@contextlib.contextmanager
def serving(folder: Path):
    (folder / "slow_tasks.py").write_text(SLOW % str(folder / "slow"))
    server = servers.girin("gthread", 1, 4, "--log-level", "info", "--graceful-timeout", "30", "--pythonpath", str(servers.EXAMPLES / "jobs"),
                           "--sidecar", "celery -A slow_tasks:tasks worker -c 2 -l info")
    with servers.running(server, "slow_tasks:app", cwd=folder, env={"TMPDIR": str(folder), "C_FORCE_ROOT": "1"}) as run:
        until(lambda: "ready." in run.output(), within=60)
        yield run


def test_the_command_of_the_example_finds_celery() -> None:
    example = servers.EXAMPLES / "jobs" / "compute_celery.py"
    command = shlex.split(re.search(r"--sidecar '(.+?)'", example.read_text())[1])
    assert command[-1] == "worker"
    done = subprocess.run([sys.executable, "-m", *command[:-1], "report"], cwd=example.parent, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def post(run: servers.Running, path: str) -> requests.Response:
    return requests.post(run.url + path, timeout=30)


def of_celery(run: servers.Running) -> list[int]:
    """Celery's worker and its pool."""
    def command(pid: int) -> bytes:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""
    return [pid for pid in run.tree if b"celery\0" in command(pid) and b"sidecar-guard" not in command(pid)]


def lives(pid: int) -> bool:
    stat = servers.process_stat(pid)
    return bool(stat) and stat[0] != "Z"


def test_tasks_are_done_beside_the_server_and_finished_before_it_ends(tmp_path: Path) -> None:
    with serving(tmp_path) as run:
        answer = post(run, "/compute")
        assert answer.status_code == 202, answer.text
        place = run.url + answer.headers["Location"]
        until(lambda: requests.get(place, timeout=30).json()["status"] == "done", within=60)
        assert requests.get(place, timeout=30).json()["result"] == sum(i * i for i in range(3_000_000))
        assert "celery: " in run.output()

        assert post(run, "/slow").status_code == 202
        until((tmp_path / "slow.began").exists, within=60)
        family = of_celery(run)
        assert len(family) == 3, "a worker and a pool of two"
        run.process.terminate()
        assert run.process.wait(60) == 0
        assert (tmp_path / "slow.ended").exists()
        assert "Sidecar celery ended with exit code 0" in run.output()
        assert not [pid for pid in family if lives(pid)]


def test_the_pool_does_not_outlive_a_server_that_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as run:
        assert post(run, "/slow").status_code == 202
        until((tmp_path / "slow.began").exists, within=60)
        family = of_celery(run)
        assert len(family) == 3
        os.kill(run.process.pid, signal.SIGKILL)
        until(lambda: not [pid for pid in family if lives(pid)], within=10)
