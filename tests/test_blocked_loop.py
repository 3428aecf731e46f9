"""A handler that holds its loop: the log names it, and others do not wait for it."""
import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import httpx
import pytest
import servers

from asgi_server import LOOPS, serving
from test_websocket import open_socket
from waiting import until


def status(pid: int) -> dict:
    command = [servers.GIRIN, "ctl", "status", "--pid", str(pid), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_log_names_the_route_and_the_line_once_a_minute(loop):
    with serving("-w", "1", "--asgi-loop", loop, app="blocking:app") as s:
        for n in range(3):
            assert s.text("/block?for=0.4") == "blocked"
            assert s.text(f"/later/{n}") == "blocked later"
        until(lambda: "GET /block held the loop for" in s.log() and "GET /later/* held the loop for" in s.log(), 10)
        assert s.log().count("GET /block held the loop for") == 1
        assert s.log().count("GET /later/* held the loop for") == 1
        assert 'blocking.py", line 17, in block' in s.log()
        assert 'blocking.py", line 23, in later' in s.log()
        worker = status(s.run.process.pid)["sched"]["workers"][0]
        assert 0.1e9 < worker["lag"] < 5e9 and worker["tasks"] >= 1


@pytest.mark.parametrize("loop", LOOPS)
def test_the_log_names_a_socket_that_holds_its_loop(loop):
    with serving("-w", "1", "--asgi-loop", loop, app="sockets:app") as s:
        ws = open_socket(s, "/echo")
        ws.send("block")
        assert ws.recv(timeout=10) == "blocked"
        until(lambda: "GET /echo held the loop for" in s.log(), 10)
        assert 'sockets.py", line' in s.log()
        ws.close()


@contextlib.contextmanager
def blocked(s, seconds):
    """A request that holds a loop for so long, from when the log has named it on; yields whether it still does."""
    def ask():
        with contextlib.suppress(httpx.HTTPError):  # the server ends before it
            s.get(f"/block?for={seconds}")

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: "GET /block held the loop for" in s.log(), seconds)
    yield thread.is_alive
    thread.join()


def test_what_goes_on_is_told_before_it_ends():
    with serving("-w", "1", "--graceful-timeout", "1", app="blocking:app") as s, contextlib.ExitStack() as stack:
        goes_on = stack.enter_context(blocked(s, 20))
        assert goes_on()
        s.run.process.send_signal(signal.SIGTERM)


def test_light_requests_do_not_wait_for_one_that_blocks():
    """Of two loops one is held: whoever asks for light ones does not feel it."""
    with serving("-w", "2", "--graceful-timeout", "1", app="blocking:app") as s, contextlib.ExitStack() as stack:
        client = stack.enter_context(s.client())
        goes_on = stack.enter_context(blocked(s, 20))
        for _ in range(30):
            assert client.get("/").text == "light"
        assert goes_on()
        s.run.process.send_signal(signal.SIGTERM)


def test_a_loop_that_is_held_loses_no_socket():
    held = float(os.environ.get("GIRIN_HELD", "4"))  # s; 30 where there is time
    with serving("-w", "1", "--ws-ping-interval", "0.5", "--ws-ping-timeout", "2", app="sockets:app") as s:
        sockets = [open_socket(s, "/echo") for _ in range(20)]
        thread = threading.Thread(target=s.text, args=(f"/hold?{held}",))
        thread.start()
        time.sleep(0.2)
        for i, ws in enumerate(sockets):
            ws.send(str(i))
        thread.join()
        for i, ws in enumerate(sockets):
            assert ws.recv(timeout=10) == str(i)
            ws.close()
