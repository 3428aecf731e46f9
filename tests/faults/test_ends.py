"""The server's end.

By TERM, QUIT, INT and kill -9, with clients at every stage.
"""
from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

import client
import procs
import raw
import servers
from conftest import GUNICORN_HAS, HERE, came_of
from load import Load

CLASSES = {"sync": (2, 1), "gthread": (2, 2), "gevent": (2, 1), "gaiohttp": (2, 1), "auto": (2, 4)}
every_class = pytest.mark.parametrize("worker_class", CLASSES)


@every_class
@pytest.mark.promise("TERM: requests that run finish, the server ends with 0", "TERM during a 0.5 s request")
def test_term_lets_requests_finish(girin, gunicorn, record, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]

    def measure(run, record):
        with client.Connection(run.port) as connection:
            connection.send("/sleep?s=0.5&n=7")
            raw.until(lambda: 7 in record.begun())
            began = time.monotonic()
            run.process.terminate()
            try:
                answer = str(connection.receive().status)
            except (OSError, client.BadResponse):
                answer = "no answer"
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.process.wait(10)
            status = run.process.poll()
            return answer, "it runs still" if status is None else f"exit status {status}", time.monotonic() - began

    with girin(worker_class, workers, threads) as run:
        answer, status, took = measure(run, record)
        assert (answer, status) == ("200", "exit status 0")
        assert took < 4
        measured.girin(f"{answer}, {status} after {took:.1f} s")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads) as run:
            answer, status, took = measure(run, gunicorn.record)
            measured.gunicorn(f"{answer}, {status} after {took:.1f} s")


@every_class
def test_atexit_hooks_run(girin, record, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run:
        pids = set(run.children)
        run.process.terminate()
        assert run.process.wait(10) == 0
    assert {pid for _, pid in record.lines("X")} == pids


@pytest.mark.promise("TERM: connections in the backlog are answered before the listener closes",
                     "the master is stopped (STOP), 200 clients connect and ask, TERM, CONT")
def test_backlog_is_accepted_first(girin, gunicorn, measured, full):
    with girin("gthread", 2, 4) as run:
        answered, refused = backlog(run)
        assert (answered, refused) == (200, 0)
        measured.girin(f"{answered} of 200 answered")
    if full:
        with gunicorn("gthread", 2, 4) as run:
            answered, _ = backlog(run)
            measured.gunicorn(f"{answered} of 200 answered")


def backlog(run):
    for pid in run.tree:  # gunicorn's workers accept
        procs.stop(pid)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(raw.connect(run.port, 20)) for _ in range(200)]
        for s in waiting:
            s.sendall(raw.head("/", "Connection: close"))
        run.process.terminate()
        for pid in run.tree:
            os.kill(pid, signal.SIGCONT)
        statuses, until = [], time.monotonic() + 20
        for s in waiting:
            s.settimeout(max(0.01, until - time.monotonic()))
            with contextlib.suppress(OSError):
                statuses.append(raw.read_to_end(s).status)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(20)
    return statuses.count(200), len(waiting) - statuses.count(200)


@pytest.mark.promise("TERM: an idle keep-alive connection gets one more request, with `Connection: close`, within 2 s",
                     "50 connections, idle for 1 s; TERM; half of them ask again after 1 s")
def test_idle_connections_get_one_more(girin, gunicorn, measured, full):
    def measure(run):
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(client.Connection(run.port)) for _ in range(50)]
            for connection in idle:
                connection.get("/")
            time.sleep(1)
            run.process.terminate()
            time.sleep(1)
            served = []
            for connection in idle[::2]:
                with contextlib.suppress(OSError, client.BadResponse):
                    answer = connection.get("/")
                    served.append((answer.status, answer.header("connection")))
            began = time.monotonic()
            run.process.wait(40)
            return served, time.monotonic() - began

    with girin("gthread", 2, 4, "--keep-alive", "30") as run:
        served, took = measure(run)
        assert served == [(200, "close")] * 25
        assert took < 3
        measured.girin(f"25 of 25 answered with close; ended {took:.1f} s later")
    if full:
        with gunicorn("gthread", 2, 4, "--keep-alive", "30") as run:
            served, took = measure(run)
            measured.gunicorn(f"{sum(status == 200 for status, _ in served)} of 25 answered; ended {took:.1f} s later")


@pytest.mark.promise("`--shutdown-delay`: who routes requests learns of the end before anybody is refused",
                     "TERM; `--shutdown-delay 1 --health-check-path /ready`; new connections go on asking")
def test_shutdown_delay(girin, measured):
    with girin("gthread", 2, 4, "--shutdown-delay", "1", "--health-check-path", "/ready") as run:
        assert raw.get(run.port, "/ready").status == 200
        began = time.monotonic()
        run.process.terminate()
        raw.until(lambda: client.get(run.port, "/ready").status == 503, 0.5)
        answered = 0
        while time.monotonic() - began < 0.8:
            answer = client.get(run.port, "/")
            assert (answer.status, answer.header("connection")) == (200, "close")
            answered += 1
        assert run.process.wait(10) == 0
        took = time.monotonic() - began
        assert 1 <= took < 4
        measured.girin(f"503 at once, {answered:,} of {answered:,} other requests 200 with `Connection: close`; ended after {took:.1f} s")


@every_class
@pytest.mark.promise("What does not finish within `--graceful-timeout` is ended", "TERM during a 3600 s request; `--graceful-timeout 1`")
def test_grace_is_bounded(girin, gunicorn, record, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]

    def measure(run, record):
        with raw.connect(run.port) as s:
            s.sendall(raw.head("/sleep?s=3600&n=7"))
            raw.until(lambda: 7 in record.begun())
            began = time.monotonic()
            run.process.terminate()
            run.process.wait(10)
            return time.monotonic() - began

    with girin(worker_class, workers, threads, "--graceful-timeout", "1") as run:
        took = measure(run, record)
        assert 0.9 < took < 3
        measured.girin(f"ended after {took:.1f} s")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads, "--graceful-timeout", "1") as run:
            measured.gunicorn(came_of(lambda: f"ended after {measure(run, gunicorn.record):.1f} s"))


SIGNALS = {"a second TERM": [signal.SIGTERM, signal.SIGTERM], "QUIT": [signal.SIGQUIT], "INT": [signal.SIGINT]}


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.promise("A second TERM, QUIT or INT ends at once", "during a 3600 s request")
def test_at_once(girin, gunicorn, record, measured, full, name):
    def measure(run, record):
        with raw.connect(run.port) as s:
            s.sendall(raw.head("/sleep?s=3600&n=7"))
            raw.until(lambda: 7 in record.begun())
            for i, sig in enumerate(SIGNALS[name]):
                if i:
                    raw.until(lambda: "Handling signal: term" in run.output())
                    time.sleep(0.3)  # a TERM sooner counts as the same: timeout(1) sends two
                os.kill(run.process.pid, sig)
                began = time.monotonic()
            run.process.wait(5)
            return time.monotonic() - began

    with girin("gthread", 2, 2) as run:
        tree = run.tree
        took = measure(run, record)
        assert took < 1
        raw.until(lambda: not any(map(procs.alive, tree)), 1)
        measured.girin(f"{1000 * took:.0f} ms")
    if full:
        with gunicorn("gthread", 2, 2) as run:
            measured.gunicorn(came_of(lambda: f"{1000 * measure(run, gunicorn.record):.0f} ms"))


@every_class
@pytest.mark.promise("The master's kill -9 leaves no process after 1 s", "kill -9 while workers sleep, compute and stream")
def test_killed_master(girin, gunicorn, record, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]

    def measure(run, record):
        with contextlib.ExitStack() as stack:
            for number, path in enumerate(("/sleep?s=30", "/spin?s=30", "/stream?count=1000&s=0.1"), 1):
                stack.enter_context(raw.connect(run.port)).sendall(raw.head(f"{path}&n={number}"))
            raw.until(lambda: len(record.begun()) >= 3)
            tree = run.tree
            os.kill(run.process.pid, signal.SIGKILL)
            began = time.monotonic()
            run.process.wait()
            while any(map(procs.alive, tree)) and time.monotonic() - began < 10:
                time.sleep(0.01)
            return sum(map(procs.alive, tree)), time.monotonic() - began

    with girin(worker_class, workers, threads) as run:
        left, took = measure(run, record)
        assert left == 0 and took < 1
        measured.girin(f"all gone after {1000 * took:.0f} ms")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads) as run:
            left, took = measure(run, gunicorn.record)
            measured.gunicorn(f"{left} left after 10 s" if left else f"all gone after {took:.1f} s")


@pytest.mark.promise("Restarts of the whole master behind an inherited socket refuse nobody",
                     "TERM and a new master, 20 times, on one listening socket, under 16 clients")
def test_restarts_behind_a_socket(measured, record, full):
    count = 20 if full else 3
    options = ("-k", "gthread", "-w", "2", "--threads", "4")
    load, statuses = restarted(count, record, [str(servers.GIRIN), "serve", "--python", sys.executable, *options])
    assert not load.failed, load.summary()
    assert statuses == {0}
    measured.girin(f"{count} restarts: {load.summary()}")
    if full:
        load, _ = restarted(count, record, [str(servers.BIN / "gunicorn"), "--no-control-socket", *options])
        measured.gunicorn(f"{count} restarts: {load.summary()}")


def restarted(count, record, command):
    """What came of requests while a server ended and started again behind one socket, and how it ended."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        os.set_inheritable(fd, True)

        def start():
            return subprocess.Popen([*command, "-b", f"fd://{fd}", "faultapp"], cwd=HERE, env={**os.environ, **record.env},
                                    pass_fds=[fd], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        master, statuses = start(), set()
        try:
            client.get(port, "/")
            with Load(port, 16) as load:
                for _ in range(count):
                    master.terminate()
                    statuses.add(master.wait(40))
                    master = start()
                    client.get(port, "/")
        finally:
            master.kill()
            master.wait()
    return load, statuses


@pytest.mark.promise("As PID 1 it reaps strangers and ends by TERM", "a PID namespace (unshare); a worker's child is orphaned; TERM")
def test_as_pid_1(measured, tmp_path, full):
    (tmp_path / "orphans.py").write_text(
        "import os\n"
        "def application(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/orphan' and not os.fork():\n"
        "        if os.fork():\n            os._exit(0)\n"
        "        os._exit(0)\n"
        "    try:\n        os.waitpid(-1, 0)\n    except ChildProcessError:\n        pass\n"
        "    start_response('200 OK', [])\n    return [b'ok']\n")
    assert as_pid_1(servers.girin("gthread", 1, 1), tmp_path) == (0, 0)
    measured.girin("10 orphans reaped; TERM ends it with 0")
    if full:
        left, status = as_pid_1(servers.gunicorn("gthread", 1, 1), tmp_path)
        measured.gunicorn(f"{10 - left} orphans reaped; TERM ends it with {status}")


def as_pid_1(server, folder) -> tuple[int, int]:
    """How many orphans are left of ten, and the exit status."""
    command = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *server.command)
    with servers.running(servers.Server(server.maker, "as PID 1", command), "orphans", cwd=folder) as run:
        [master] = run.children  # unshare's
        for _ in range(10):
            assert client.get(run.port, "/orphan").status == 200
        zombies = lambda: [pid for pid in run.tree if servers.process_stat(pid)[:1] == ["Z"]]
        gone = came_of(lambda: raw.until(lambda: not zombies(), 20))
        left = len(zombies()) if gone.startswith("not within ") else 0
        os.kill(master, signal.SIGTERM)
        return left, run.process.wait(10)


def test_a_daemon_thread_does_not_hold_up_the_end(girin):
    with girin("gthread", 1, 2, app="lyingapp") as run:
        assert client.get(run.port, "/leaves_threads").status == 200
        run.process.terminate()
        assert run.process.wait(5) == 0


HANGING = {"on_exit": "server", "child_exit": "server, worker", "worker_exit": "server, worker"}


@pytest.mark.full
@every_class
@pytest.mark.promise("A hook that hangs in a stop costs what is left of `--graceful-timeout`, and a second",
                     f"`time.sleep(1000)` in {', '.join(HANGING)}; TERM; `--graceful-timeout` 1 and 3")
def test_a_stop_that_hangs(girin, measured, tmp_path, worker_class):
    workers, threads = CLASSES[worker_class]
    took = {}
    for name, arguments in HANGING.items():
        settings = tmp_path / f"{name}.py"
        settings.write_text(f"import time\ndef {name}({arguments}):\n    time.sleep(1000)\n")
        for grace in (1, 3):
            with girin(worker_class, workers, threads, "-c", str(settings), "--graceful-timeout", str(grace)) as run:
                began = time.monotonic()
                run.process.terminate()
                run.process.wait(30)
                took[name, grace] = time.monotonic() - began
                assert took[name, grace] < grace + 1 + 2, took  # with what a busy machine takes for itself
    measured.girin("; ".join(f"{name} {took[name, 1]:.1f} and {took[name, 3]:.1f} s" for name in HANGING))
