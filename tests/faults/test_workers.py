"""Workers that end.

Killed, out of memory, in a crash loop, worn out, more of them, fewer.
"""
from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import client
import memorygroup
import procs
import raw
from conftest import GUNICORN_HAS, came_of
from load import Load

CLASSES = {"sync": (2, 1), "gthread": (2, 4), "gevent": (2, 1), "gaiohttp": (2, 1), "auto": (2, 4)}
every_class = pytest.mark.parametrize("worker_class", CLASSES)
AT_ONCE = {"sync": 1, "gthread": 4, "gevent": 64, "gaiohttp": 1, "auto": 4}  # in one worker
CLIENTS = 64


@every_class
@pytest.mark.promise("Only what a killed worker was running fails; nothing runs twice",
                     f"kill -9 of a worker each second, {CLIENTS} clients that ask for 10 ms sleeps")
def test_killed_workers(girin, gunicorn, record, measured, full, worker_class):
    kills = {"gthread": 60}.get(worker_class, 5) if full else 2
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run:
        load, killed = kill_each_second(run, kills)
    begun = record.begun()
    ran_there = {number for number, pid in record.lines("B") if pid in killed} - record.ended()
    assert not [number for number, count in begun.items() if count > 1 and number], "a request was run twice"
    assert set(load.failed.values()) <= {502}, load.summary()
    # Lost too: what a thread had read and the app not begun, and what the app had done and the thread not sent.
    others = set(load.failed) - ran_there
    assert all(number not in begun or number in record.ended() for number in others), "a request failed that no killed worker had"
    assert len(set(load.failed)) <= kills * AT_ONCE[worker_class]
    measured.girin(f"{kills} kills: {load.summary()}; {len(ran_there)} were running there, {len(others)} being read or sent")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads) as run:
            load, killed = kill_each_second(run, kills)
        lines = gunicorn.record.lines("B")
        ran_there = {number for number, pid in lines if pid in killed} - gunicorn.record.ended()
        measured.gunicorn(f"{kills} kills: {load.summary()}; {len(ran_there)} were running there")


def kill_each_second(run, kills):
    killed = set()
    with Load(run.port, CLIENTS, "/sleep?s=0.01&n={}".format) as load:
        for _ in range(kills):
            time.sleep(1)  # the fault's rate, not a wait for something
            victim = random.choice(run.children)
            killed.add(victim)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        time.sleep(1)
    return load, killed


@pytest.mark.promise("A killed worker is replaced in under 1 s plus the app's import", "kill -9 of the only worker")
def test_replaced_at_once(girin, gunicorn, measured, full):
    with girin("gthread", 1, 2) as run:
        took = back_after_kill(run)
        assert took < 1.5
        measured.girin(f"next answer after {1000 * took:.0f} ms")
    if full:
        with gunicorn("gthread", 1, 2) as run:
            measured.gunicorn(f"next answer after {1000 * back_after_kill(run):.0f} ms")


def back_after_kill(run) -> float:
    os.kill(run.children[0], signal.SIGKILL)
    began = time.monotonic()
    assert client.get(run.port, "/").status in (200, 502)
    while client.get(run.port, "/").status != 200:
        pass
    return time.monotonic() - began


@pytest.mark.full
@pytest.mark.parametrize("worker_class", GUNICORN_HAS)
@pytest.mark.promise("A worker that gives no sign of life for `--timeout` is restarted, also if no request had begun there",
                     "SIGSTOP of the only worker; `--timeout 10`; then a request")
def test_stopped_worker(girin, gunicorn, measured, worker_class):
    def measure(run):
        procs.stop(run.children[0])
        began = time.monotonic()
        status = client.get(run.port, "/", timeout=60).status
        return f"{status} after {time.monotonic() - began:.0f} s"

    with girin(worker_class, 1, 2, "--timeout", "10") as run:
        text = measure(run)
        assert text.startswith("200") and "it has not answered for 10s" in run.output()
        measured.girin(text)
    with gunicorn(worker_class, 1, 2, "--timeout", "10") as run:
        measured.gunicorn(measure(run))


@pytest.mark.promise("A crash loop backs off and keeps the master up", "an app whose workers die 50 ms after they are ready")
def test_crash_loop(girin, gunicorn, measured, full, tmp_path):
    app = tmp_path / "crashing.py"
    app.write_text("import os, threading\n"
                   "def application(environ, start_response):\n"
                   "    start_response('200 OK', [])\n    return [b'ok']\n"
                   "if os.path.exists('broken'):\n    threading.Timer(0.05, os._exit, [7]).start()\n")
    with girin("gthread", 1, 1, app="crashing", cwd=tmp_path) as run:
        (tmp_path / "broken").touch()
        before = procs.cpu_seconds(run.process.pid)
        os.kill(run.children[0], signal.SIGKILL)
        raw.until(lambda: "the next starts in 1s" in run.output(), 20, "backing off")
        assert run.process.poll() is None
        assert procs.cpu_seconds(run.process.pid) - before < 1
        (tmp_path / "broken").unlink()
        assert client.get(run.port, "/").status in (200, 502)
        raw.until(lambda: client.get(run.port, "/").status == 200, 20, "the mended app")
        starts = run.output().count("Booting worker")
        measured.girin(f"{starts} starts until the app was mended, waiting up to 1 s between them")
    if full:
        with gunicorn("gthread", 1, 1, app="crashing", cwd=tmp_path) as run:
            (tmp_path / "broken").touch()
            os.kill(run.children[0], signal.SIGKILL)
            time.sleep(3)
            alive = "goes on" if run.process.poll() is None else "has ended"
            measured.gunicorn(f"{run.output().count('Booting worker')} starts in 3 s; the server {alive}")


@every_class
@pytest.mark.promise("`--max-requests` with jitter replaces a worker before it goes", "`--max-requests 50 --max-requests-jitter 50` under 16 clients")
def test_worn_out_workers(girin, gunicorn, record, measured, full, worker_class):
    options = "--max-requests", "50", "--max-requests-jitter", "50"
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads, *options) as run:
        load = load_until(run, lambda: len({pid for _, pid in record.lines("B")}) >= (6 if full else 4))
        assert not load.failed, load.summary()
        measured.girin(f"{load.summary()}, {len({pid for _, pid in record.lines('B')})} workers")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads, *options) as run:
            load = load_until(run, lambda: len({pid for _, pid in gunicorn.record.lines("B")}) >= 6)
            measured.gunicorn(f"{load.summary()}, {len({pid for _, pid in gunicorn.record.lines('B')})} workers")


def load_until(run, condition, clients=16, path="/?n={}".format):
    with Load(run.port, clients, path) as load:
        raw.until(condition, 30)
    return load


@pytest.mark.promise("`--max-worker-memory` replaces a worker that has grown", "an app that keeps 64 MiB; `--max-worker-memory 80M`")
def test_grown_worker(girin, measured):
    with girin("gthread", 1, 2, "--max-worker-memory", "80M") as run:
        first = client.get(run.port, "/pid").body
        assert client.get(run.port, "/grow?mib=100").status == 200
        load = load_until(run, lambda: client.get(run.port, "/pid").body != first, 4)
        assert not load.failed, load.summary()
        assert "MiB of private memory" in run.output()
        measured.girin(f"replaced; {load.summary()} meanwhile")


@pytest.mark.promise("A worker that the kernel ended for want of memory is named as such in the log",
                     "an app that takes 400 MiB in a memory cgroup of 250 MiB")
def test_out_of_memory(girin, gunicorn, measured, full):
    with memorygroup.limited(250 << 20) as group, girin("gthread", 1, 2, within=group) as run:
        answer = raw.get(run.port, "/grow?mib=400")
        assert answer.status == 502
        raw.until(lambda: "out of memory" in run.output(), what="the reason in the log")
        line = next(line for line in run.output().splitlines() if "out of memory" in line)
        assert "memory cgroup" in line
        assert client.get(run.port, "/").status == 200  # by another worker
        os.kill(run.children[0], signal.SIGKILL)
        raw.until(lambda: "signal 9 (killed); it ran no request\n" in run.output(), what="a kill that is not for want of memory")
        assert client.get(run.port, "/").status == 200
        measured.girin(f"502; logged: {line.partition('] ')[2].rpartition('] ')[2]}")
    if full:
        with memorygroup.limited(250 << 20) as group, gunicorn("gthread", 1, 2, within=group) as run:
            status = came_of(lambda: raw.get(run.port, "/grow?mib=400").status)
            came_of(lambda: raw.until(lambda: "SIGKILL" in run.output()))
            line = next((line for line in run.output().splitlines() if "SIGKILL" in line), "nothing of it")
            measured.gunicorn(f"status {status}; logged: {line.rpartition('] ')[2]}")


@pytest.mark.parametrize("worker_class", [name for name in CLASSES if name != "auto"])  # where the load decides
@pytest.mark.promise("TTIN and TTOU start and end a worker", "both signals under 16 clients")
def test_more_and_fewer(girin, gunicorn, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run, Load(run.port, 16) as load:
        os.kill(run.process.pid, signal.SIGTTIN)
        raw.until(lambda: len(run.children) == 3, what="a third worker")
        for left in (2, 1):
            os.kill(run.process.pid, signal.SIGTTOU)
            raw.until(lambda: len(run.children) == left, what=f"{left} workers")
        os.kill(run.process.pid, signal.SIGTTOU)
        raw.until(lambda: run.output().count("Workers: 1") == 2)
        assert len(run.children) == 1
    assert not load.failed, load.summary()
    measured.girin(f"2 to 3 to 1 workers: {load.summary()}")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads) as run, Load(run.port, 16) as load:
            for sig, count in ((signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1)):
                os.kill(run.process.pid, sig)
                came_of(lambda: raw.until(lambda: len(run.children) == count))
        measured.gunicorn(f"2 to 3 to 1 workers: {load.summary()}")


@every_class
@pytest.mark.promise("Signals for the master that come to every process of a service harm no worker",
                     "USR1, HUP, TTIN and TTOU to all processes, as `systemctl kill` sends them, under 16 clients")
def test_signals_to_all(girin, gunicorn, measured, full, worker_class):
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run:
        load = signal_all(run, lambda: "Reloaded" in run.output())
        assert "was ended by" not in run.output()
    assert not load.failed, load.summary()
    measured.girin(load.summary())
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads) as run:
            old = set(run.children)
            load = signal_all(run, lambda: run.children and not old & set(run.children))
        measured.gunicorn(load.summary())


def signal_all(run, reloaded) -> Load:
    with Load(run.port, 16) as load:
        for sig in (signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP):
            for pid in run.tree:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sig)
            time.sleep(0.3)
        raw.until(reloaded, what="the reload")
    return load


def test_usr2_starts_a_server_that_may_go_again(girin):
    with girin("gthread", 1, 1) as run, Load(run.port, 8) as load:
        os.kill(run.process.pid, signal.SIGUSR2)
        raw.until(lambda: run.output().count("Ready after") == 2, what="the other server")
        os.kill(int(re.search(r"starts beside this one, pid: (\d+)", run.output())[1]), signal.SIGTERM)
        raw.until(lambda: "that USR2 started has ended" in run.output())
    assert not load.failed, load.summary()


def test_usr1_opens_the_logs_anew(girin, tmp_path):
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    with girin("gthread", 1, 1, "--access-logfile", str(log)) as run:
        client.get(run.port, "/?first")
        raw.until(lambda: "first" in log.read_text())
        log.rename(old)
        os.kill(run.process.pid, signal.SIGUSR1)
        raw.until(log.exists, what="a new log")
        client.get(run.port, "/?second")
        raw.until(lambda: "second" in log.read_text())
        assert "second" not in old.read_text()


@pytest.mark.promise("Where no thread more may be started, those that there are serve, and the server goes on",
                     "`pids.max` is what is there once a gthread worker of 16 threads is ready; 40 requests at once that sleep 0.1 s, and bodies of 3 MB")
def test_no_room_for_threads(girin, measured):
    with memorygroup.group("pids") as group, girin("gthread", 1, 16, within=group) as run:
        group.limit_tasks(group.tasks)
        with ThreadPoolExecutor(40) as pool:
            asked = [pool.submit(raw.get, run.port, "/sleep?s=0.1") for _ in range(40)]
            bodies = [pool.submit(raw.ask, run.port, BODY) for _ in range(4)]
            assert {answer.result().status for answer in asked + bodies} == {200}
        assert run.process.poll() is None
        assert "of its 16 threads: can't start new thread" in run.output()
        group.limit_tasks(10_000)
        measured.girin("44 of 44 answered with 200; a line says how many threads there are")


BODY = raw.head("/body", "Content-Length: 3000000", "Connection: close", method="POST") + b"x" * 3_000_000
