"""preload_app: the application is imported once, and workers are forked from there."""
import contextlib
import os
import signal
import time

import pytest

import client
import servers
from waiting import until

CLASSES = {"sync": (2, 1), "gthread": (2, 4), "gevent": (2, 1), "gaiohttp": (2, 4), "auto": (3, 64)}

APP = """\
import os
import threading
import time

IMPORTED = os.getpid()
VERSION = {version}

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        print("it sleeps", flush=True)
        time.sleep(0.5)
    if path == "/exit":
        os._exit(3)
    start_response("200 OK", [])
    return [f"{{VERSION}} {{IMPORTED}} {{os.getpid()}} {{os.getppid()}}".encode()]
"""


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, APP.format(version=1))
    return tmp_path


def write(folder, text):
    new = folder / "new"
    new.write_text(text)
    new.rename(folder / "preloaded.py")


@contextlib.contextmanager
def serving(folder, worker_class="gthread", *more):
    server = servers.girin(worker_class, *CLASSES[worker_class], "--preload", "--log-level", "info", *more)
    with servers.running(server, "preloaded:application", cwd=folder) as run:
        yield run


def ask(run, path="/"):
    """Version, who imported, who answers, and whose child that is."""
    answer = client.get(run.port, path)
    assert answer.status == 200
    return tuple(map(int, answer.body.split()))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("worker_class", CLASSES)
def test_workers_share_one_import(folder, worker_class):
    with serving(folder, worker_class) as run:
        answers = {ask(run) for _ in range(50)}
        (template,) = {imported for _, imported, _, _ in answers}
        assert template not in {run.process.pid, *(pid for _, _, pid, _ in answers)}
        assert {parent for *_, parent in answers} == {run.process.pid}


def test_a_killed_worker_is_forked_anew(folder):
    with serving(folder) as run:
        _, template, worker, _ = ask(run)
        os.kill(worker, signal.SIGKILL)
        until(lambda: "was ended by signal 9" in run.output(), within=20)
        assert {ask(run)[1] for _ in range(20)} == {template}
        assert client.get(run.port, "/exit").status == 502
        until(lambda: "exited with code 3" in run.output(), within=20)


def test_without_its_template_the_server_serves_on_and_makes_another(folder):
    with serving(folder) as run:
        _, template, worker, _ = ask(run)
        os.kill(template, signal.SIGKILL)
        until(lambda: not alive(template), within=20)
        assert ask(run)[1] == template
        os.kill(worker, signal.SIGKILL)
        until(lambda: {ask(run)[1] for _ in range(20)} != {template}, within=20)


def test_a_reload_imports_anew_and_leaves_no_old_process(folder):
    with serving(folder) as run:
        _, old, *_ = ask(run)
        write(folder, APP.format(version=2))
        os.kill(run.process.pid, signal.SIGHUP)
        until(lambda: {ask(run)[0] for _ in range(20)} == {2}, within=20)
        until(lambda: not alive(old), within=20)


def test_a_version_that_cannot_be_imported_changes_nothing(folder):
    with serving(folder) as run:
        first = ask(run)
        for broken in ("1 +", "import nothing_of_this_name", "import os; os._exit(9)", "import os; os._exit(0)", "raise SystemExit(3)"):
            write(folder, broken)
            before = run.output().count("Reload failed")
            os.kill(run.process.pid, signal.SIGHUP)
            until(lambda: run.output().count("Reload failed") > before, within=20)
            assert ask(run)[:2] == first[:2]
        os.kill(first[2], signal.SIGKILL)  # forked from what was imported first
        assert {ask(run)[:2] for _ in range(20)} == {first[:2]}


def test_the_first_version_must_be_importable(folder):
    write(folder, "import nothing_of_this_name")
    with pytest.raises(RuntimeError) as error:
        with serving(folder):
            pass
    assert "nothing_of_this_name" in str(error.value)


def test_no_process_outlives_a_killed_master(folder):
    with serving(folder) as run:
        answers = [ask(run) for _ in range(20)]
        processes = {pid for _, template, worker, _ in answers for pid in (template, worker)}
        run.process.kill()
        until(lambda: not any(map(alive, processes)), within=1)


def test_what_the_app_opens_at_import_stays_as_it_is(folder):
    opens = "import os\nFILES = [open(__file__) for _ in range(40)]\nNAMES = [os.readlink(f'/proc/self/fd/{f.fileno()}') for f in FILES]\n"
    check = "\n    assert all(os.readlink(f'/proc/self/fd/{f.fileno()}') == name for f, name in zip(FILES, NAMES))\n"
    write(folder, opens + APP.format(version=1).replace("\n    path =", check + "    path ="))
    with serving(folder) as run:
        assert ask(run)[0] == 1


def test_threads_that_the_import_starts_do_not_hold_up_the_fork(folder):
    thread = "\nthreading.Thread(target=lambda: [time.sleep(0.01) for _ in iter(int, 1)], daemon=True).start()\n"
    write(folder, APP.format(version=1) + thread)
    with serving(folder) as run:
        assert ask(run)[0] == 1
        os.kill(run.process.pid, signal.SIGTERM)
        assert run.process.wait(10) == 0


def test_requests_finish_when_the_server_ends(folder):
    with serving(folder) as run:
        with client.Connection(run.port) as connection:
            connection.send("/sleep")
            until(lambda: "it sleeps" in run.output())
            os.kill(run.process.pid, signal.SIGTERM)
            assert connection.receive().status == 200
        assert run.process.wait(10) == 0
