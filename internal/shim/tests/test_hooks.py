"""The hooks of a configuration file that run in a worker."""
from __future__ import annotations

import json
import os
import signal
import textwrap

import master
import pytest

APP = """
    import json
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/stream":
            start_response("200 OK", [("X", "y")])
            return iter([b"ab", b"cd"])
        if environ["PATH_INFO"] == "/fail":
            raise ValueError("the app's")
        start_response("201 Created", [("Content-Type", "text/plain")])
        return [environ.get("HTTP_X_ID", "none").encode()]
    """

CFG = {"workers": 2, "bind": ["127.0.0.1:8000"], "timeout": 30, "max_requests": 0}


@pytest.fixture
def hooked(start, tmp_path):
    """Starts a worker with a configuration file, and with all hooks that are in it."""

    def start_hooked(config: str, app: str = APP, **kwargs):
        (tmp_path / "conf.py").write_text(textwrap.dedent(config))
        names = ["post_fork", "post_worker_init", "worker_int", "worker_abort", "pre_request", "post_request", "worker_exit"]
        names = [name for name in names if f"def {name}(" in config]
        return start(app, config_file=str(tmp_path / "conf.py"), hooks=names, cfg=CFG, age=3, **kwargs)

    return start_hooked


LIFE = """
    def post_fork(server, worker):
        worker.mine = 7
        worker.log.info("post_fork %s age %d of %d", worker, worker.age, server.pid)
    def post_worker_init(worker):
        worker.log.warning("init %s %s %s", worker.mine, worker.wsgi.__name__, worker.cfg.workers)
    def worker_exit(server, worker):
        server.log.error("exit %s %s", worker.mine, server.cfg.bind)
    """


def test_a_workers_life(hooked, cls):
    worker = hooked(LIFE, cls=cls)
    assert worker.log() == (20, f"post_fork <Worker {worker.pid}> age 3 of {os.getpid()}")
    assert worker.log() == (30, "init 7 app 2")
    assert worker.get().status == "201 Created"
    assert worker.drain() == 0
    assert worker.log() == (40, "exit 7 ['127.0.0.1:8000']")


REQUESTS = """
    def pre_request(worker, req):
        worker.log.info("pre %s %s %s %s %s", req.method, req.uri, req.path, req.query, req.version)
        if ("X-REFUSE", "1") in req.headers:
            raise PermissionError("refused")
        req.headers.append(("X-Id", "42"))
    def post_request(worker, req, environ, resp):
        sent = resp and (resp.status, resp.status_code, resp.sent, resp.headers)
        worker.log.info("post %s %s %s %s", worker.nr, req.path, environ.get("HTTP_X_ID"), sent)
    """


def test_requests(hooked, cls):
    worker = hooked(REQUESTS, cls=cls)
    answer = worker.get("/a?b=c")
    assert answer.body == b"42", "a header that pre_request added reaches the app"
    assert worker.log() == (20, "pre GET /a?b=c /a b=c (1, 1)")
    assert worker.log() == (20, "post 1 /a 42 ('201 Created', 201, 2, [('Content-Type', 'text/plain')])")
    assert worker.get("/stream").body == b"abcd"
    worker.log()
    assert worker.log()[1].startswith("post 2 /stream 42 ('200 OK', 200, 4, [('X', 'y')")


def test_requests_that_fail(hooked, cls):
    worker = hooked(REQUESTS, cls=cls)
    assert worker.get("/fail").failed
    worker.log()
    assert "ValueError: the app's" in worker.log()[1]
    assert worker.log()[1] == "post 1 /fail 42 ('', 0, 0, [])"
    assert worker.get(environ={"HTTP_X_REFUSE": "1"}).failed
    worker.log()
    assert "PermissionError: refused" in worker.log()[1]
    assert worker.log()[1] == "post 2 / None None"
    assert worker.get().status == "201 Created"


def test_post_request_runs_when_the_answer_is_sent(hooked, cls, tmp_path):
    os.mkfifo(tmp_path / "go")
    worker = hooked(f"""
        def post_request(worker, req):
            open({str(tmp_path / "go")!r}).read()
            1 / 0
        """, cls=cls)
    assert worker.get().status == "201 Created"
    with open(tmp_path / "go", "w"):
        pass
    level, text = worker.log()
    assert level == 40 and text.startswith("Exception in post_request hook\nTraceback") and "ZeroDivisionError" in text


@pytest.mark.parametrize("hook", ["post_fork(server, worker)", "post_worker_init(worker)"])
def test_a_hook_that_raises_ends_the_boot(hooked, hook):
    worker = hooked(f"""
        def {hook}:
            raise LookupError("no database")
        """, ready=False)
    answer = json.loads(worker.message(master.BROKEN)[3])
    assert answer["code"] == 3 and "LookupError: no database" in answer["text"]


def test_a_worker_exit_that_raises_is_logged(hooked):
    worker = hooked("""
        def worker_exit(server, worker):
            raise LookupError("gone")
        """)
    assert worker.drain() == 0
    level, text = worker.log()
    assert level == 30 and "LookupError: gone" in text


ENDS = """
    def worker_int(worker):
        worker.log.info("int")
    def worker_abort(worker):
        worker.log.info("abort")
    def worker_exit(server, worker):
        worker.log.info("exit")
    """


@pytest.mark.parametrize("number, first, code", [(signal.SIGQUIT, "int", 0), (signal.SIGABRT, "abort", 1)])
def test_a_worker_that_is_ended_by_a_signal(hooked, cls, number, first, code):
    worker = hooked(ENDS, cls=cls)
    assert worker.get().status == "201 Created"
    os.kill(worker.pid, number)
    assert worker.log() == (20, first)
    assert worker.log() == (20, "exit")
    assert worker.wait() == code


def test_hooks_that_exit_themselves(hooked, cls):
    worker = hooked("""
        import sys
        def worker_int(worker): sys.exit(5)
        def worker_exit(server, worker):
            worker.log.info("exit")
            sys.exit(7)
    """, cls=cls)
    assert worker.get().status == "201 Created"
    os.kill(worker.pid, signal.SIGINT)
    assert worker.log() == (20, "exit")
    assert worker.wait() == 7


def test_the_signal_in_the_middle_of_a_request(hooked):
    worker = hooked(ENDS, app="""
        import time
        def app(environ, start_response):
            start_response("200 OK", [])
            yield b"begun"
            while True:
                time.sleep(0.01)
        """)
    id = worker.send()
    assert worker.frame(id).body == b"begun"
    os.kill(worker.pid, signal.SIGABRT)
    assert worker.log() == (20, "abort")
    assert worker.wait() == 1


def test_the_logger_of_gunicorn(start, cls):
    """Applications put its handlers onto their own loggers."""
    worker = start("""
        import logging
        own = logging.getLogger("shop")
        own.handlers = logging.getLogger("gunicorn.error").handlers
        own.setLevel(logging.getLogger("gunicorn.error").level)
        def app(environ, start_response):
            own.info("sold %d", 3)
            own.debug("not this")
            try:
                1 / 0
            except ZeroDivisionError:
                own.exception("oh")
            start_response("200 OK", [])
            return []
        """, cls=cls)
    worker.get()
    assert worker.log() == (20, "sold 3")
    level, text = worker.log()
    assert level == 40 and text.startswith("oh\nTraceback") and text.endswith("ZeroDivisionError: division by zero")


def test_a_configuration_that_is_a_module(start, tmp_path):
    (tmp_path / "settings_of_mine.py").write_text("def post_fork(server, worker):\n    worker.log.info('module')\n")
    worker = start(APP, config_file="python:settings_of_mine", cfg=CFG, hooks=["post_fork"], pythonpath=[str(tmp_path)])
    assert worker.log() == (20, "module")


def test_a_hook_that_clears_alive_asks_for_another_worker(hooked, cls):
    worker = hooked("""
        def post_request(worker, req, environ, resp):
            worker.alive = False
        """, cls=cls)
    assert worker.get().status == "201 Created"
    worker.message(master.RETIRE)
    assert worker.get().status == "201 Created", "it serves until it is drained"
    assert worker.drain() == 0


def test_the_master_is_told_which_hook_turns_the_c_code_off(hooked, implementation):
    worker = hooked("def post_request(worker, req, environ, resp): pass")
    assert worker.ready["accelerator"] == ""
    assert worker.ready["no_accelerator"] == ("post_request is set" if implementation == "native" else "none was offered")
