"""The life of an ASGI worker: lifespan, reload, the end, limits."""
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import asgi_server
import client
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "faults"))
import raw  # noqa: E402


@pytest.fixture(params=asgi_server.LOOPS)
def loop(request):
    return "--asgi-loop", request.param


def ends(served, within):
    served.run.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert served.run.process.wait(within) == 0
    return time.monotonic() - began


def test_shutdown_comes_at_the_end(loop):
    with asgi_server.serving(*loop, "-w", "2") as served:
        until(lambda: "Ready after" in served.log())
        ends(served, 10)
        assert served.log().count("the lifespan has ended") == 2


@pytest.mark.parametrize("way, mode, starts", [("fails", "auto", False), ("raises", "auto", True), ("raises", "on", False), ("fails", "off", True)])
def test_a_startup_that_fails(way, mode, starts):
    def start():
        with asgi_server.serving("--asgi-lifespan", mode, env={"LIFESPAN": way}) as served:
            assert served.text("/") == "hello"

    if starts:
        start()
    else:
        with pytest.raises(RuntimeError, match="the database is not there" if way == "fails" else "ValueError: no lifespan"):
            start()


def test_a_shutdown_that_hangs_is_not_waited_for(loop):
    with asgi_server.serving(*loop, "--graceful-timeout", "2", env={"LIFESPAN": "hangs"}) as served:
        assert ends(served, 10) < 4
        assert "did not end within" in served.log()


def test_startup_after_the_fork_of_preload(loop):
    with asgi_server.serving(*loop, "--preload", "-w", "2") as served:
        until(lambda: len({served.text("/pid") for _ in range(10)}) == 2)
        ends(served, 10)
        assert served.log().count("the lifespan has ended") == 2


def streams(served, path, count=5):
    """Clients that read a stream; the function closes them."""
    sockets = [raw.connect(served.port) for _ in range(count)]
    for s in sockets:
        s.sendall(raw.head(path))
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
    return sockets


def test_the_end_does_not_wait_for_endless_streams_and_the_app_shuts_down(loop):
    with asgi_server.serving(*loop, "--graceful-timeout", "3") as served:
        sockets = streams(served, "/ticks")
        assert ends(served, 10) < 4
        assert "the lifespan has ended" in served.log()
        for s in sockets:
            s.close()


def test_a_reload_serves_all_the_while_and_ends_what_streams(loop):
    with asgi_server.serving(*loop, "--graceful-timeout", "2") as served:
        sockets = streams(served, "/ticks")
        before, failed, stop = served.text("/pid"), [], threading.Event()

        def ask():
            while not stop.is_set():
                if client.get(served.port, "/").status != 200:
                    failed.append(1)

        asking = threading.Thread(target=ask)
        asking.start()
        served.run.process.send_signal(signal.SIGHUP)
        until(lambda: served.text("/pid") != before, 10)
        until(lambda: not os.path.exists(f"/proc/{before}"), 10)
        stop.set()
        asking.join()
        assert not failed and "the lifespan has ended" in served.log()
        for s in sockets:
            s.close()


def test_a_reload_whose_startup_fails_keeps_the_old_workers(tmp_path):
    (tmp_path / "switched.py").write_text("import os, sys\nsys.path.insert(0, os.environ['APPS'])\nfrom main import app\n")
    with asgi_server.serving(app="switched:app", cwd=tmp_path, env={"APPS": str(asgi_server.APPS)}) as served:
        before = served.text("/pid")
        (tmp_path / "switched.py").write_text("import os\nos.environ['LIFESPAN'] = 'fails'\nimport sys\nsys.path.insert(0, os.environ['APPS'])\nfrom main import app\n")
        served.run.process.send_signal(signal.SIGHUP)
        until(lambda: "Reload failed" in served.log(), 10)
        assert "the database is not there" in served.log() and served.text("/pid") == before


TOLD = """
import asyncio, os, signal, sys
told = asyncio.Event()
def handler(number, frame):
    asyncio.get_running_loop().call_soon_threadsafe(told.set)
    sys.exit(3)
def exits():
    told.set()
    sys.exit(3)
def stops():
    told.set()
    asyncio.get_running_loop().stop()
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        STARTUP
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.sleep(0.05)
        print("shut down", file=sys.stderr, flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await told.wait()
    await send({"type": "http.response.body", "body": str(os.getpid()).encode() if scope["path"] == "/pid" else b"told"})
IMPORTED
"""
SET = "signal.signal(signal.SIGTERM, handler)"
SET_OF_LOOP = "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, {})"
HANDLERS = {
    "at the import": TOLD.replace("STARTUP", "pass").replace("IMPORTED", SET),
    "at the startup": TOLD.replace("STARTUP", SET).replace("IMPORTED", ""),
    "of the loop": TOLD.replace("STARTUP", SET_OF_LOOP.format("told.set")).replace("IMPORTED", ""),
    "of the loop, which exits": TOLD.replace("STARTUP", SET_OF_LOOP.format("exits")).replace("IMPORTED", ""),
    "of the loop, which stops it": TOLD.replace("STARTUP", SET_OF_LOOP.format("stops")).replace("IMPORTED", ""),
}


@pytest.mark.parametrize("sets", HANDLERS)
def test_a_handler_of_sigterm_ends_streams(loop, tmp_path, sets):
    (tmp_path / "told.py").write_text(HANDLERS[sets])
    with asgi_server.serving(*loop, app="told:app", cwd=tmp_path) as served:
        with raw.connect(served.port) as s:
            s.sendall(raw.head("/stream", "Connection: close"))
            assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
            assert ends(served, 10) < 8
            assert b"told" in raw.read_to_end(s).data


@pytest.mark.parametrize("sets", ["of the loop, which exits", "of the loop, which stops it"])
def test_a_handler_of_sigterm_leaves_the_shutdown_to_its_end(loop, tmp_path, sets):
    """Where nothing runs it is called in the very moment in which the worker ends."""
    (tmp_path / "told.py").write_text(HANDLERS[sets])
    with asgi_server.serving(*loop, app="told:app", cwd=tmp_path) as served:
        before = served.text("/pid")
        served.run.process.send_signal(signal.SIGHUP)
        until(lambda: not os.path.exists(f"/proc/{before}"), 10)
        assert "shut down" in served.log() and "fault of its own" not in served.log()


def test_max_requests(loop):
    with asgi_server.serving(*loop, "--max-requests", "20") as served:
        pids = [served.text("/pid") for _ in range(70)]
        assert len(set(pids)) >= 3 and max(map(pids.count, pids)) <= 20


def test_worker_connections_are_a_limit():
    with asgi_server.serving("--worker-connections", "3") as served:
        began, threads = time.monotonic(), []
        for _ in range(9):
            threads.append(threading.Thread(target=served.get, args=("/sleep?t=0.4",)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        assert 1.1 < time.monotonic() - began < 4


def test_a_blocked_loop_keeps_nobody_waiting_whom_another_can_serve():
    with asgi_server.serving("-w", "2", "--timeout", "20") as served:
        blocking = threading.Thread(target=served.get, args=("/block?t=2",))
        blocking.start()
        time.sleep(0.2)
        took = []
        for _ in range(50):
            began = time.monotonic()
            assert client.get(served.port, "/").status == 200
            took.append(time.monotonic() - began)
        blocking.join()
        assert sorted(took)[-2] < 0.5


def test_a_loop_that_blocks_for_good_is_replaced():
    with asgi_server.serving("--timeout", "1", "--graceful-timeout", "2") as served:
        before = served.text("/pid")
        assert served.get("/block?t=60").status_code == 504
        until(lambda: pid_of(served) not in (None, before), 20)
        assert "in block" in served.log()  # its stack


def pid_of(served):
    try:
        with served.client(timeout=1) as asking:
            answer = asking.get("/pid")
            return answer.text if answer.status_code == 200 else None
    except Exception:
        return None


def test_a_worker_that_dies_costs_its_requests_and_no_more():
    with asgi_server.serving() as served:
        pid, sockets = int(served.text("/pid")), [raw.connect(served.port) for _ in range(10)]
        for s in sockets:
            s.sendall(raw.head("/wait", "Connection: close"))
        until(lambda: served.seen().count("waits") == 10)
        os.kill(pid, signal.SIGKILL)
        assert [raw.read_to_end(s).status for s in sockets] == [502] * 10
        assert served.text("/") == "hello"


@pytest.mark.parametrize("spec, seen", [("2.3", "endless was cancelled"), ("2.5", "endless: Disconnected")])
def test_the_version_of_the_specification(spec, seen):
    with asgi_server.serving("--asgi-spec", spec, "--asgi-disconnect-grace-period", "1") as served:
        assert f"'spec_version': '{spec}'" in served.get("/scope").json()["asgi"]
        s = raw.connect(served.port)
        s.sendall(raw.head("/endless"))
        s.recv(1000)
        raw.reset(s)
        until(lambda: seen in served.seen(), 10)


def test_a_unix_socket(tmp_path):
    path = tmp_path / "socket"
    with asgi_server.serving("-b", f"unix:{path}") as served:
        import httpx

        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as asking:
            scope = asking.get("http://x/scope").json()
        assert scope["server"] == f"({str(path)!r}, None)"
        assert scope["client"] == "None"
        assert served.text("/") == "hello"
