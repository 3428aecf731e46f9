"""The configuration's process.

It runs the file and its hooks; what happens to it takes nothing along.
"""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

import client
import servers
from waiting import until

CLASSES = {"sync": (2, 1), "gthread": (2, 4), "gevent": (2, 1), "auto": (3, 64)}

APP = """\
import os

def application(environ, start_response):
    start_response("200 OK", [])
    return [f"{os.getpid()} {os.environ.get('STAGE')} {os.environ.get('FROM')}".encode()]
"""

CONF = """\
import os
os.environ["STAGE"] = "one"
def pre_fork(server, worker): os.environ["FROM"] = str(os.getpid())
"""


@contextlib.contextmanager
def serving(folder, worker_class, conf, *more):
    (folder / "app.py").write_text(APP)
    write(folder, conf)
    server = servers.girin(worker_class, *CLASSES[worker_class], "--log-level", "info", *more)
    with servers.running(server, "app:application", cwd=folder) as run:
        yield run


def write(folder, conf):
    new = folder / "new"
    new.write_text(conf)
    new.rename(folder / "gunicorn.conf.py")


def ask(run):
    """Who answers, with which environment, and which arbiter it comes from."""
    answer = client.get(run.port, "/")
    assert answer.status == 200
    return answer.body.decode().split()


def end_worker(run) -> None:
    pid = int(ask(run)[0])
    os.kill(pid, signal.SIGKILL)
    until(lambda: f"Worker (pid:{pid}) was ended by signal 9" in run.output(), within=20)


@pytest.mark.parametrize("worker_class", CLASSES)
@pytest.mark.parametrize("more", [(), ("--preload",)], ids=["plain", "preload"])
@pytest.mark.promise("When the configuration's process dies, the server goes on and another takes its place", "kill -9 of it; then a worker's end, and HUP")
def test_a_killed_arbiter_is_started_anew(tmp_path, worker_class, more, measured):
    with serving(tmp_path, worker_class, CONF, *more) as run:
        first = ask(run)
        os.kill(int(first[2]), signal.SIGKILL)
        until(lambda: "the arbiter has ended and is started anew" in run.output(), within=20)
        assert ask(run)[1] == "one"
        until(lambda: [end_worker(run), ask(run)[2] != first[2]][1], within=30)  # also from a template, which has not ended
        run.process.send_signal(signal.SIGHUP)
        until(lambda: "generation 2 serves" in run.output(), within=20)
        until(lambda: ask(run)[2] != first[2], within=20)
    measured.girin("started anew; workers with their environment, HUP reloads")


@pytest.mark.parametrize("more", [(), ("--preload",)], ids=["plain", "preload"])
@pytest.mark.promise("A pre_fork that fails leaves no request unanswered", "it raises for each worker; then a worker is killed")
def test_a_pre_fork_that_raises(tmp_path, more, measured):
    conf = "def pre_fork(server, worker): raise LookupError('no database')\n"
    with serving(tmp_path, "sync", conf, *more) as run:
        end_worker(run)
        assert ask(run)[1] == "None"
        assert "Error in the hook pre_fork" in run.output() and "LookupError: no database" in run.output()
    measured.girin("told in the log; the workers serve")


BROKEN = {
    "raises": "raise RuntimeError('not today')",
    "is no Python": "workers = (",
    "ends": "import os; os._exit(7)",
    "is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "has a wrong setting": "import os; os.environ['STAGE'] = 'two'; workers = 'many'",
    "has a wrong hook": "import os; os.environ['STAGE'] = 'two'\ndef pre_fork(): pass",
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.promise("A configuration file that fails at a reload changes nothing, nor what later workers get", "HUP with a file that fails; the workers are killed; HUP with the old file")
def test_a_file_that_fails_at_a_reload_changes_nothing(tmp_path, how, measured):
    with serving(tmp_path, "gthread", CONF) as run:
        assert ask(run)[1] == "one"
        write(tmp_path, BROKEN[how])
        run.process.send_signal(signal.SIGHUP)
        until(lambda: "Reload failed" in run.output(), within=20)
        write(tmp_path, CONF)
        for _ in range(2):
            end_worker(run)
        until(lambda: ask(run)[1:2] == ["one"], within=20)
        run.process.send_signal(signal.SIGHUP)
        until(lambda: "generation 2 serves" in run.output(), within=20)
        assert ask(run)[1] == "one"
    measured.girin("the old one stays in force")


def test_an_app_that_fails_after_a_reload_leaves_the_old_environment(tmp_path):
    with serving(tmp_path, "sync", CONF) as run:
        write(tmp_path, CONF.replace('"one"', '"two"'))
        (tmp_path / "app.py").write_text("1 +")
        run.process.send_signal(signal.SIGHUP)
        until(lambda: "Reload failed" in run.output(), within=20)
        (tmp_path / "app.py").write_text(APP)
        for _ in range(2):
            end_worker(run)
        assert {ask(run)[1] for _ in range(20)} == {"one"}


@pytest.mark.parametrize("hook", ["child_exit(server, worker)", "nworkers_changed(server, new, old)", "pre_fork(server, worker)", "when_ready(server)", "on_reload(server)"],
                         ids=lambda hook: hook.partition("(")[0])
@pytest.mark.promise("A hook that hangs holds up neither requests nor the end", "`time.sleep(1000)` in it; then requests, and TERM twice")
def test_a_hook_that_hangs_is_interrupted(tmp_path, hook, measured):
    conf = CONF + f"\nimport time\ndef {hook}:\n    time.sleep(1000)\n"
    with serving(tmp_path, "sync", conf) as run:
        ask(run)
        if not hook.startswith(("pre_fork", "when_ready")):
            end_worker(run)
            run.process.send_signal(signal.SIGTTIN)
            run.process.send_signal(signal.SIGHUP)
        until(lambda: "HookTooLong" in run.output() and hook.partition("(")[0] in run.output(), within=60)
        assert ask(run)[1] == "one"
        run.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        run.process.send_signal(signal.SIGTERM)
        run.process.wait(5)
    measured.girin("interrupted and named in the log; requests are answered; two TERMs end the server")


ODD = {
    "threads": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "forks": "import os\nos.fork()",
    "helpers": "import subprocess\nsubprocess.Popen(['sleep', '30'])",
    "signals": "import signal\nfor s in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)",
    "stdin": "import os, sys\nsys.stdin.close()\ntry: os.close(0)\nexcept OSError: pass",
    "streams": "import sys\nsys.stdout = sys.stderr = None",
    "chdir": "import os\nos.chdir('/')",
    "umask": "import os\nos.umask(0o077)",
    "gevent": "from gevent import monkey\nmonkey.patch_all()",
    "recursion": "import sys\nsys.setrecursionlimit(200)",
    "gc": "import gc\ngc.disable()",
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("worker_class", ["gthread", "gevent"])
def test_files_do_what_they_like(tmp_path, what, worker_class):
    with serving(tmp_path, worker_class, CONF + ODD[what] + "\n") as run:
        assert ask(run)[1] == "one"
        end_worker(run)
        run.process.send_signal(signal.SIGHUP)
        until(lambda: "generation 2 serves" in run.output(), within=20)
        assert ask(run)[1] == "one"
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(15) == 0, run.output()
    assert not subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False).stdout, sys.platform
