"""Reload.

By HUP and by a changed file, under load, and into versions that cannot start.
"""
from __future__ import annotations

import os
import signal
import time

import pytest

import client
import raw
from conftest import GUNICORN_HAS, came_of
from load import Load

CLASSES = {"sync": (2, 1), "gthread": (2, 4), "gevent": (2, 1), "gaiohttp": (2, 1), "auto": (2, 4)}
every_class = pytest.mark.parametrize("worker_class", CLASSES)
CLIENTS = 64

VERSION = """\
VERSION = {version}

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"version %d" % VERSION]
"""


@every_class
@pytest.mark.promise("A reload (HUP) fails no request", f"HUP after HUP under {CLIENTS} clients")
def test_reload_under_load(girin, gunicorn, measured, full, worker_class):
    count = {"gthread": 50}.get(worker_class, 5) if full else 2
    workers, threads = CLASSES[worker_class]
    with girin(worker_class, workers, threads) as run:
        with Load(run.port, CLIENTS) as load:
            for number in range(2, count + 2):
                os.kill(run.process.pid, signal.SIGHUP)
                raw.until(lambda: f"generation {number} serves" in run.output(), 30)
        raw.until(lambda: len(run.children) == workers, 30)
        assert not load.failed, (load.summary(), load.reasons, run.output())
        measured.girin(f"{count} HUPs: {load.summary()}")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, workers, threads) as run:
            with Load(run.port, CLIENTS) as load:
                for _ in range(count):
                    old = set(run.children)
                    os.kill(run.process.pid, signal.SIGHUP)
                    raw.until(lambda: not old & set(run.children), 60)
            measured.gunicorn(f"{count} HUPs: {load.summary()}")


@every_class
@pytest.mark.promise("Requests that are running when HUP comes finish", "HUP while the only worker sleeps 0.5 s")
def test_running_requests_finish(girin, gunicorn, record, measured, full, worker_class):
    threads = CLASSES[worker_class][1]

    def measure(run, record):
        with client.Connection(run.port) as connection:
            connection.send("/sleep?s=0.5&n=7")
            raw.until(lambda: 7 in record.begun())
            os.kill(run.process.pid, signal.SIGHUP)
            return connection.receive().status

    with girin(worker_class, 1, threads) as run:
        old = run.children
        assert measure(run, record) == 200
        raw.until(lambda: run.children and not set(run.children) & set(old), 20, "the old worker's end")
        measured.girin("200")
    if full and worker_class in GUNICORN_HAS:
        with gunicorn(worker_class, 1, threads) as run:
            measured.gunicorn(came_of(lambda: measure(run, gunicorn.record)))


@pytest.mark.promise("A version that cannot start changes nothing; the log says why",
                     "HUP into a syntax error, a missing module, `sys.exit` and `os._exit` at import, under 16 clients")
def test_failing_reload(girin, gunicorn, measured, full, tmp_path):
    broken = {"syntax": "def (", "import": "import no_such_module", "exit": "import sys; sys.exit(5)", "_exit": "import os; os._exit(5)"}
    app = tmp_path / "versions.py"
    app.write_text(VERSION.format(version=1))
    with girin("gthread", 2, 2, app="versions", cwd=tmp_path) as run:
        workers = run.children
        with Load(run.port, 16) as load:
            for i, text in enumerate(broken.values(), 1):
                app.write_text(text)
                os.kill(run.process.pid, signal.SIGHUP)
                raw.until(lambda: run.output().count("Reload failed") == i, 20)
        assert not load.failed, load.summary()
        assert "SyntaxError" in run.output() and "no_such_module" in run.output()
        assert set(run.children) == set(workers)
        assert client.get(run.port, "/").body == b"version 1"
        app.write_text(VERSION.format(version=2))
        os.kill(run.process.pid, signal.SIGHUP)
        raw.until(lambda: client.get(run.port, "/").body == b"version 2")
        measured.girin(f"{load.summary()}; the old version served until a good one came")
    if full:
        app.write_text(VERSION.format(version=1))
        with gunicorn("gthread", 2, 2, app="versions", cwd=tmp_path) as run:
            with Load(run.port, 16) as load:
                app.write_text(broken["syntax"])
                os.kill(run.process.pid, signal.SIGHUP)
                time.sleep(3)
            alive = "lives on without it" if run.process.poll() is None else "has ended"
            measured.gunicorn(f"one HUP into a syntax error: {load.summary()}; the server {alive}")


def test_a_reload_reads_the_settings_anew(girin, tmp_path):
    settings = tmp_path / "gunicorn.conf.py"
    settings.write_text("raw_env = ['GREETING=one']\n")
    (tmp_path / "greeting.py").write_text(
        "import os\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return [os.environ['GREETING'].encode()]\n")
    with girin("gthread", 1, 1, "-c", str(settings), app="greeting", cwd=tmp_path) as run:
        assert client.get(run.port, "/").body == b"one"
        settings.write_text("raw_env = ['GREETING=two']\nworkers = 'many'\n")
        os.kill(run.process.pid, signal.SIGHUP)
        raw.until(lambda: "nothing is changed" in run.output())
        assert client.get(run.port, "/").body == b"one"
        settings.write_text("raw_env = ['GREETING=two']\n")
        os.kill(run.process.pid, signal.SIGHUP)
        raw.until(lambda: client.get(run.port, "/").body == b"two")


@pytest.mark.promise("`--reload` follows files; a syntax error is shown in the browser and heals with the file",
                     "a syntax error is written into the app's module, then mended")
def test_reload_on_change(girin, gunicorn, measured, full, tmp_path):
    app = tmp_path / "versions.py"

    def measure(run):
        page = lambda: came_of(lambda: client.get(run.port, "/", timeout=5))
        app.write_text("def (")
        took = raw.until(lambda: "status=500" in page(), what="a page with the fault")
        broken = page()
        app.write_text(VERSION.format(version=2))
        healed = raw.until(lambda: "version 2" in page(), what="the mended version")
        return broken, f"page after {took:.1f} s, healed after {healed:.1f} s"

    options = ("gthread", 1, 2, "--reload")
    app.write_text(VERSION.format(version=1))
    with girin(*options, app="versions", cwd=tmp_path) as run:
        broken, text = measure(run)
        assert "SyntaxError" in broken and "('content-type', 'text/html" in broken
        measured.girin(text)
    if full:
        app.write_text(VERSION.format(version=1))
        with gunicorn(*options, app="versions", cwd=tmp_path) as run:
            measured.gunicorn(came_of(lambda: measure(run)[1]))


def test_no_fault_page_for_strangers(tmp_path, girin):
    """Where others can connect, the running version stays."""
    app = tmp_path / "versions.py"
    app.write_text(VERSION.format(version=1))
    with girin("gthread", 1, 2, "--reload", "-b", "0.0.0.0:0", app="versions", cwd=tmp_path) as run:
        app.write_text("def (")
        raw.until(lambda: "SyntaxError" in run.output())
        assert client.get(run.port, "/").body == b"version 1"


@pytest.mark.promise("A reload follows a `current` symlink to the new release", "the symlink is moved, then HUP")
def test_moved_symlink(girin, gunicorn, measured, full, tmp_path):
    for version in (1, 2):
        release = tmp_path / f"release-{version}"
        release.mkdir()
        (release / "versions.py").write_text(VERSION.format(version=version))
    current = tmp_path / "current"

    def measure(start):
        current.unlink(missing_ok=True)
        current.symlink_to("release-1")
        with start("gthread", 1, 2, "--chdir", str(current), app="versions", cwd=tmp_path) as run:
            assert client.get(run.port, "/").body == b"version 1"
            current.unlink()
            current.symlink_to("release-2")
            os.kill(run.process.pid, signal.SIGHUP)
            raw.until(lambda: "version 2" in came_of(lambda: client.get(run.port, "/").body))
        return "the new release answers"

    measured.girin(measure(girin))
    if full:
        measured.gunicorn(came_of(lambda: measure(gunicorn)))
