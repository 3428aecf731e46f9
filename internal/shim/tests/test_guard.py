"""An app's mistakes around its requests - threads, signals, streams, memory - never end a worker."""
from __future__ import annotations

import os
import signal

import master
import pytest

GOOD = """
    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"good"]
    """

HANDLERS = {
    "raises": "raise ValueError('in the handler')",
    "exits": "sys.exit(3)",
    "interrupts": "raise KeyboardInterrupt",
}


@pytest.mark.parametrize("how", HANDLERS)
def test_a_signal_handler_that_raises_between_requests(start, cls, how):
    worker = start(
        f"""
    import signal, sys
    def handler(number, frame):
        {HANDLERS[how]}
    signal.signal(signal.SIGTERM, handler)
    """
        + GOOD,
        cls=cls,
        threads=2,
    )
    assert worker.get().body == b"good"
    for _ in range(3):
        os.kill(worker.pid, signal.SIGTERM)
        level, text = worker.log()
        assert level == 40 and text.startswith("A signal's handler of the app raised outside of a request\nTraceback")
        assert worker.get().body == b"good"
        if how != "raises":
            worker.message(master.RETIRE)
    assert worker.drain() == 0


TOLD = """
    import os, signal, sys, threading, time
    told = threading.Event()
    def handler(number, frame):
        told.set()
        sys.exit(3)
    before = signal.getsignal(signal.SIGTERM)
    def passes_on(number, frame):
        told.set()
        before(number, frame)
    {sets}
    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/until":
            while not told.wait(0.02):
                pass
        if environ["PATH_INFO"] == "/child":
            ready, runs = os.pipe()
            child = os.fork()
            if not child:
                os.write(runs, b"x")
                time.sleep(2)
                os._exit(9)
            os.read(ready, 1)
            os.kill(child, signal.SIGTERM)
            return [str(os.waitpid(child, 0)[1]).encode()]
        return [str(told.is_set()).encode()]
    """


@pytest.mark.parametrize("handler", ["handler", "passes_on"])
def test_a_handler_of_sigterm_is_called_when_the_server_ends(start, cls, handler):
    """Once, while a request runs, which it does not end; and others are served. No other worker is asked for."""
    worker = start(TOLD.format(sets=f"signal.signal(signal.SIGTERM, {handler})"), cls=cls, threads=2)
    waits = worker.send("/until")
    master.until(lambda: waits in worker.running())
    worker.tell(master.TERM)
    worker.tell(master.TERM)
    assert worker.answer(waits).body == b"True"
    assert worker.get().body == b"True"
    assert worker.drain() == 0
    assert not worker.messages


def test_a_handler_of_sigterm_ends_children_while_the_server_ends(start, cls):
    """What is let pass in the worker ends a process that the app has forked: terminate() is meant."""
    worker = start(TOLD.format(sets="signal.signal(signal.SIGTERM, handler)"), cls=cls, threads=2)
    waits = worker.send("/until")
    worker.tell(master.TERM)
    worker.answer(waits)
    assert int(worker.get("/child").body) in (0, 3 << 8)  # it returns into the server, or ends as the handler says
    assert worker.drain() == 0


def test_a_worker_without_a_handler_of_sigterm_hears_nothing(start, cls):
    worker = start(TOLD.format(sets=""), cls=cls, threads=2)
    worker.tell(master.TERM)
    worker.sync()
    assert worker.get().body == b"False"
    assert worker.drain() == 0
    assert not worker.messages


def test_a_signal_handler_that_raises_in_a_request(start):
    """In the class sync a request runs in the main thread: its signal.alarm works as under gunicorn."""
    worker = start(
        """
        import signal, time
        def handler(number, frame):
            raise TimeoutError("too long")
        signal.signal(signal.SIGALRM, handler)
        def app(environ, start_response):
            start_response("200 OK", [])
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            try:
                time.sleep(5)
            except TimeoutError as e:
                return [str(e).encode()]
        """
    )
    assert worker.get().body == b"too long"


STREAMS = ["None", "object()", "type('S', (), {'write': lambda self, text: 1 / 0, 'flush': lambda self: 1 / 0})()"]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("fails", [False, True])
def test_streams_that_cannot_be_flushed(start, cls, stream, fails):
    code = f"import sys\nsys.stdout = sys.stderr = {stream}\n"
    if fails:
        worker = start(code + "1 / 0\n", cls=cls, ready=False)
        assert b"ZeroDivisionError" in worker.message(master.BROKEN)[3]
        assert worker.wait() == 3
        return
    worker = start(code + "def app(e, s):\n    s('200 OK', [])\n    return [b'good']\n", cls=cls)
    assert worker.get().body == b"good"
    worker.tell(master.DRAIN)
    worker.message(master.IDLE)
    assert worker.wait() in (0, 120)  # 120: CPython's own, for a stdout that cannot be flushed at its end


NO_THREADS = """
    import _thread, threading
    real, left = threading._start_new_thread, [{left}]
    def start(*args, **kwargs):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        return real(*args, **kwargs)
    threading._start_new_thread = threading._start_joinable_thread = start
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/allow":
            left[0] = 9
        if environ["PATH_INFO"] == "/wait":
            import time
            time.sleep(0.2)
        start_response("200 OK", [])
        return [str(threading.active_count()).encode()]
    """


@pytest.mark.parametrize("left", [0, 1, 2])
def test_threads_that_cannot_be_started(start, left, implementation):
    """Those that there are serve; another is tried now and then."""
    worker = start(NO_THREADS.format(left=left), cls="gthread", threads=4)
    for _ in range(3):
        ids = [worker.send("/wait", flags=master.SLOW) for _ in range(4)]
        for id in ids:
            assert int(worker.answer(id).body) <= 1 + left
    level, text = worker.log()
    assert level == 30 and f"goes on with {max(left, 1)} of its 4 threads: can't start new thread" in text
    if left:
        worker.get("/allow")


        def all_run() -> bool:
            ids = [worker.send("/wait", flags=master.SLOW) for _ in range(4)]
            return int([worker.answer(id).body for id in ids][-1]) > 1 + left

        master.until(all_run)
    assert worker.drain() == 0


MEMORY = """
    import resource
    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/limit":
            used = int(open("/proc/self/statm").read().split()[0]) * 4096
            resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))
            return [b"limited"]
        if environ["PATH_INFO"] == "/free":
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        if environ["PATH_INFO"] == "/large":
            return [b"x" * (32 << 20), b"y" * (32 << 20)]
        return [str(len(environ["wsgi.input"].read())).encode()]
    """


def test_no_memory_for_an_environ_or_an_answer(start, cls):
    arena = 80 << 20
    worker = start(MEMORY, cls=cls, arena=arena)
    body = bytes(70 << 20)
    assert worker.get("/", "POST", body, master.IN_ARENA).body == str(len(body)).encode()
    assert worker.get("/limit").body == b"limited"
    for path, method, data in (("/", "POST", body), ("/large", "GET", b"")):
        for _ in range(2):
            answer = worker.get(path, method, data, master.IN_ARENA, window=128 << 20)
            assert answer.failed and "MemoryError" in worker.log()[1]
            assert worker.get("/").body == b"0"
    worker.get("/free")
    assert worker.get("/", "POST", body, master.IN_ARENA).body == str(len(body)).encode()
    assert worker.drain() == 0


@pytest.mark.parametrize("kind", ["sync", "gthread", "gaiohttp"])
def test_threads_of_a_request_are_waited_for(start, kind, implementation):
    """As under gunicorn the interpreter ends when the threads have that the app started;
    under gevent, there as here, they are daemons."""
    worker = start(
        """
        import threading, time, os
        def job():
            time.sleep(0.4)
            os.write(2, b"the job is done")
        def app(environ, start_response):
            threading.Thread(target=job).start()
            timer = threading.Timer(0.3, os.write, (2, b"so is the timer"))
            timer.start()
            start_response("200 OK", [])
            return [str(timer.daemon).encode()]
        """,
        cls=kind,
        threads=2,
        implementation=implementation if kind in master.ACCELERATED else "python",
    )
    assert worker.get().body == b"False"
    assert worker.drain() == 0
    assert "the job is done" in worker.stderr() and "so is the timer" in worker.stderr()


def test_a_lifetime_is_exact(start, cls):
    """The worker reads so many packets, whoever has sent more, and ends by itself."""
    worker = start(GOOD, cls=cls, threads=2, lifetime=3)
    ids = [worker.send() for _ in range(5)]
    assert [worker.answer(id).body for id in ids[:3]] == [b"good"] * 3
    assert worker.message(master.RETIRE)[1] == 1
    worker.message(master.IDLE)
    assert worker.wait() == 0
    assert not worker.frames and worker.lane.waiting() > 0


@pytest.mark.parametrize("kind", ["gaiohttp", "gevent", "asgi"])
def test_a_loop_that_cannot_wait_any_more_ends_its_worker(kind):
    """Its descriptors are closed: each time it fails at once."""
    code = """
        import glob, os, threading
        def close():
            for path in glob.glob("/proc/self/fd/*"):
                try:
                    if "eventpoll" in os.readlink(path): os.close(int(path.rpartition("/")[2]))
                except OSError: pass
        threading.Thread(target=threading.Event().wait).start()  # holds the interpreter's end up
        """
    if kind == "asgi":
        code += """
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            close()
        """
    else:
        code += """
        def app(environ, start_response):
            close()
            start_response("200 OK", [])
            return [b"good"]
        """
    worker = master.Worker("wsgi_app:app", code, cls=kind, asgi_loop="asyncio")
    try:
        if kind == "asgi":
            from test_same_asgi import packet
            worker.lane.put(packet("/"))
        else:
            worker.send()
            worker.send()  # gevent's loop is a new one once it has run
        assert worker.wait() == 70
        texts = []
        while not texts or not texts[-1].startswith("Descriptors that the server needs were closed"):
            texts.append(worker.log()[1])
        assert len(texts) < 20, texts
    finally:
        worker.close()
