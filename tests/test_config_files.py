"""Configuration files as they are found in the wild, under gunicorn and girin.

Each is run by both, unchanged; what the application sees and what the hooks
log must be the same. The files are in apps/configured.
"""
from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import sys
import threading
import time

import pytest

import client
import servers

CONFIGURED = servers.ROOT / "tests" / "apps" / "configured"
PATIENCE = 20.0


def girin(name: str, *more: str) -> servers.Server:
    return servers.Server("girin", name, (str(servers.GIRIN), "serve", "--python", sys.executable, *options(name, *more)))


def gunicorn(name: str, *more: str) -> servers.Server:
    return servers.Server("gunicorn", name, (str(servers.BIN / "gunicorn"), "--no-control-socket", *options(name, *more)))


def options(name: str, *more: str) -> tuple[str, ...]:
    return ("-c", str(CONFIGURED / f"{name}.py"), "-b", "127.0.0.1:{port}", *more, "{app}")


@pytest.fixture(params=[girin, gunicorn], ids=["girin", "gunicorn"])
def maker(request):
    return request.param


@contextlib.contextmanager
def running(server: servers.Server, app: str = "app", **env: str):
    with servers.running(server, app, cwd=CONFIGURED, env=env) as run:
        yield run


def eventually(what, condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {PATIENCE} s"
        time.sleep(0.01)


def said(run: servers.Running) -> list[str]:
    """The lines of the error log, without time and process."""
    return re.findall(r"\[(?:INFO|WARNING|ERROR|CRITICAL)\] .*", run.output())


def saying(run: servers.Running, *texts: str) -> list[str]:
    """The lines that have one of these texts, once the last text has come."""
    return [line for line in said(run) if any(text in line for text in texts)]


def answer(run: servers.Running, path: str, headers: dict[str, str] | None = None) -> dict:
    import requests

    return requests.get(run.url + path, headers=headers, timeout=PATIENCE).json()


def end(run: servers.Running, number: int = signal.SIGTERM) -> None:
    run.process.send_signal(number)
    assert run.process.wait(PATIENCE) == 0, run.output()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def test_django_behind_nginx(maker, tmp_path):
    path = str(tmp_path / "django.sock")
    (tmp_path / "data").mkdir()
    server = maker("django_nginx")
    command = [part for part in server.command if part not in ("-b", "127.0.0.1:{port}", "{app}")]
    server = servers.Server(server.maker, server.setting, tuple(command))
    with open(tmp_path / "log", "w+") as log:
        process = servers.launch(server, "", servers.EXAMPLES / "django_site", 0, log, {"SOCKET": path, "DATA_DIR": str(tmp_path / "data")})
        try:
            eventually("the socket", lambda: os.path.exists(path) or process.poll() is not None)
            connection = UnixConnection(path)
            connection.request("GET", "/admin/login/?next=/admin/", headers={
                "Host": "localhost", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
            response = connection.getresponse()
            assert response.status == 200 and b"csrfmiddlewaretoken" in response.read()
            assert os.stat(path).st_mode & 0o777 == 0o770, "umask 007"
            connection.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert not os.path.exists(path)
        finally:
            servers.end(process)
        log.seek(0)
        assert '"GET /admin/login/?next=/admin/ HTTP/1.1" 200' in log.read()


def test_prometheus_in_several_processes(maker, tmp_path):
    with running(maker("prometheus"), "prometheus_app", PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) as run:
        def metric(name: str) -> float:
            text = client.get(run.port, "/metrics").body.decode()
            return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])

        eventually("two workers", lambda: metric("shop_live") == 2)
        before = metric("shop_requests_total")
        pids = {int(client.get(run.port, "/").body) for _ in range(20)}
        assert metric("shop_requests_total") == before + 20
        victim = pids.pop()
        os.kill(victim, signal.SIGKILL)
        # Only child_exit removes the dead one's files.
        eventually("child_exit", lambda: not (tmp_path / f"gauge_livesum_{victim}.db").exists())
        eventually("a new worker", lambda: metric("shop_live") == 2)
        assert metric("shop_requests_total") == before + 20


def test_a_connection_for_each_worker(maker):
    with running(maker("reconnect")) as run:
        assert answer(run, "/")["connected_here"]
        eventually("both workers", lambda: len(saying(run, "is initialised")) == 2)
        end(run)
        lines = saying(run, "Worker 1 ", "Worker 2 ", "spawned")
    for age in "12":
        assert [line for line in lines if f"] Worker {age} " in line or f"(age: {age}," in line] == [
            f"[INFO] Worker {age} is about to start",
            f"[INFO] Worker spawned (age: {age}, parent is the master: True)",
            f"[WARNING] Worker {age} is initialised with 2 workers",
            f"[INFO] Worker {age} says goodbye",
            f"[INFO] Worker {age} is gone",
        ]


def test_a_driver_made_green(maker):
    with running(maker("psycogreen")) as run:
        eventually("the line", lambda: saying(run, "driver green") == ["[INFO] Made the driver green"])
        ends: list[float] = []
        threads = [threading.Thread(target=lambda: ends.append(answer(run, "/wait")["time"])) for _ in range(4)]
        began = time.time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(ends) - began < 2.5, "four queries of a second each, at the same time"


def test_an_access_log_of_ones_own(tmp_path):
    lines = {}
    for maker in (girin, gunicorn):
        path = tmp_path / f"{maker.__name__}.log"
        with running(maker("accesslog"), ACCESS_LOG=str(path)) as run:
            answer(run, "/a%20b?c=d", {"X-Forwarded-For": "203.0.113.9", "Referer": "http://x/\"y", "User-Agent": "tests"})
            answer(run, "/log")
            end(run)
        text = re.sub(r"\[\[[^]]*\]\]", "[<time>]", path.read_text())
        text = re.sub(r"\d\.\d+s <<\d+>>", "<seconds> <pid>", text)
        lines[maker] = re.sub(r"python-requests/\S+", "<agent>", re.sub(r" 200 \d+ ", " 200 <bytes> ", text)).splitlines()
    assert lines[girin][1:] == lines[gunicorn][1:]
    assert len(lines[girin]) == 3, "the first is servers.running's own request"


def test_as_many_workers_as_the_file_computes(maker):
    workers = os.cpu_count() * 2 + 1
    with running(maker("dynamic")) as run:
        seen = answer(run, "/", {"X-One": "1"})
        assert seen["settings"] == {"SHOP_CURRENCY": "KRW", "SHOP_WORKERS": str(workers)}
        assert seen["environ"]["HTTP_X_ONE"] == "1" and seen["environ"]["REMOTE_ADDR"] == "127.0.0.1"
        eventually("all workers", lambda: len(saying(run, "Worker is up")) == workers)
        run.process.send_signal(signal.SIGTTIN)
        eventually("a worker more", lambda: len(saying(run, "Worker is up")) == workers + 1)
        end(run)
        assert saying(run, "Starting with", "Server is ready", "Workers: from", "Goodbye") == [
            f"[INFO] Workers: from None to {workers}",
            f"[INFO] Starting with {workers} workers",
            "[INFO] Server is ready. Spawning workers",
            f"[INFO] Workers: from {workers} to {workers + 1}",
            "[INFO] Goodbye",
        ]


def test_the_last_hook_runs_where_every_process_gets_sigterm(maker):
    with running(maker("dynamic")) as run:
        eventually("all workers", lambda: len(saying(run, "Worker is up")) == os.cpu_count() * 2 + 1)
        for pid in reversed(run.tree):  # as systemd ends a service; the master last
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        assert run.process.wait(PATIENCE) == 0, run.output()
        assert saying(run, "Goodbye") == ["[INFO] Goodbye"]


def test_hooks_of_requests(maker):
    with running(maker("requests_hooks")) as run:
        assert answer(run, "/a%20b?c=d")["environ"]["HTTP_X_REQUEST_ID"] == "r-17"
        eventually("the hooks", lambda: saying(run, "c=d r-17"))
        assert saying(run, "/a%20b") == [
            "[INFO] GET /a%20b",
            "[INFO] GET /a%20b?c=d r-17: 200 OK, in time: True, 1 bytes",
        ]


def test_loggers_that_hang_onto_gunicorns(maker):
    with running(maker("dynamic")) as run:
        answer(run, "/log")
        eventually("the line", lambda: saying(run, "sold out") == ["[WARNING] sold out: apples"])


@pytest.mark.parametrize(
    "name, options, line",
    [
        ("logging_dict", [], '{"logger": "orders", "level": "DEBUG", "message": "shipped: pears"}'),
        ("database", ["--log-config", "logging.ini"], "orders DEBUG shipped: pears"),
        ("database", ["--log-config-json", "logging.json"], "orders DEBUG shipped: pears"),
    ],
)
def test_loggers_of_the_application_are_configured(maker, name, options, line):
    with running(maker(name, *options)) as run:
        answer(run, "/log")
        eventually("the line", lambda: line in run.output().splitlines())


def test_an_error_in_on_starting_ends_the_start(maker, tmp_path):
    (tmp_path / "app.py").write_text("def application(environ, start_response): pass\n")
    (tmp_path / "gunicorn.conf.py").write_text("def on_starting(server):\n    raise LookupError('no licence')\n")
    server = maker("dynamic")
    command = tuple(part for part in server.command if not part.endswith("dynamic.py") and part != "-c")
    with open(tmp_path / "log", "w+") as log:
        process = servers.launch(servers.Server("", "", command), "app", tmp_path, servers.free_port(), log)
        try:
            assert process.wait(PATIENCE) == 1
        finally:
            servers.end(process)
        log.seek(0)
        assert "LookupError: no licence" in log.read()


def test_a_hook_that_ends_its_worker(maker):
    with running(maker("memory_limit")) as run:
        first = answer(run, "/leak")["pid"]
        eventually("another worker", lambda: answer(run, "/")["pid"] != first)
        eventually("the line", lambda: saying(run, "too large") == ["[WARNING] Worker 1 has grown too large"])


def test_a_worker_that_gets_sigterm_finishes_its_request(maker, tmp_path):
    begun = tmp_path / "begun"
    with running(maker("reconnect", "-w", "1"), SHOP_BEGUN=str(begun)) as run:
        first = answer(run, "/")["pid"]
        seen: list[dict] = []
        thread = threading.Thread(target=lambda: seen.append(answer(run, "/wait")))
        thread.start()
        eventually("the request", begun.exists)
        os.kill(first, signal.SIGTERM)
        thread.join()
        assert [answer["pid"] for answer in seen] == [first]
        eventually("another worker", lambda: answer(run, "/")["pid"] != first)


def test_syslog(maker, tmp_path):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(PATIENCE)
        options = ("--log-syslog", "--log-syslog-to", f"unix://{path}#dgram", "--log-syslog-facility", "local3", "--log-syslog-prefix", "shop")
        with running(maker("requests_hooks", *options)) as run:
            answer(run, "/a%20b?c=d")
            wanted = {
                "<158>gunicorn.shop.error: [PID] GET /a%20b",
                '<158>gunicorn.shop.access: [PID] 127.0.0.1 - - [TIME] "GET /a%20b?c=d HTTP/1.1" 200 SIZE "-" "AGENT"',
            }
            while wanted:
                message = daemon.recv(8192).decode().rstrip("\0")
                message = re.sub(r"(access: \[\d+\] \S+ - - )\[[^]]*\]", r"\1[TIME]", message)
                message = re.sub(r" 200 \d+ ", " 200 SIZE ", re.sub(r"python-requests/[\d.]+", "AGENT", message))
                wanted.discard(re.sub(r": \[\d+\] ", ": [PID] ", message))


ENDED = "import os\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n"


@pytest.mark.parametrize("conf", ["", "timeout = 20\n", "def worker_int(worker): pass\n"], ids=["no file", "no hook", "its hook"])
def test_a_worker_that_is_told_to_end_is_no_error(conf, girin, tmp_path):
    (tmp_path / "ended.py").write_text(ENDED)
    if conf:
        (tmp_path / "gunicorn.conf.py").write_text(conf)
    server = servers.Server(girin.maker, girin.setting, (*girin.command[:-1], "--log-level", "info", "{app}"))
    with servers.running(server, "ended:app", cwd=tmp_path) as run:
        pid = int(client.get(run.port, "/").body)
        os.kill(pid, signal.SIGINT)
        eventually("its line", lambda: f"Worker exiting (pid: {pid})" in run.output())
        eventually("another worker", lambda: run.output().count("Booting worker") > girin_workers(run))
        assert int(client.get(run.port, "/").body) != pid
        assert not re.findall(r"\[(?:ERROR|CRITICAL)\] .*", run.output())


def girin_workers(run: servers.Running) -> int:
    """How many were started at first."""
    return int(re.search(r"Using worker: .*?(\d+)(?: to \d+)? worker", run.output())[1])
