"""PEP 3333 as an app sees it, in every worker class."""
from __future__ import annotations

import os
import tempfile

import master
import pytest
from master import BLOCK, EARLY, FETCH, FINAL, IN_ARENA, QUICK, RESPONSE, SPOOLED, WHOLE

ECHO = """
    import json
    def app(environ, start_response):
        shown = {k: v for k, v in environ.items() if isinstance(v, (str, bool, tuple))}
        body = json.dumps(shown).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
    """


def echo(worker, *args, **kwargs) -> dict:
    import json

    return json.loads(worker.get(*args, **kwargs).body)


def test_environ(start, cls):
    worker = start(ECHO, cls=cls, threads=2)
    environ = echo(worker, "/caf\xe9?a=b", environ={"HTTP_X": "\xff"})
    assert environ["PATH_INFO"] == "/caf\xe9"
    assert environ["QUERY_STRING"] == "a=b"
    assert environ["HTTP_X"] == "\xff"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["SERVER_NAME"] == "127.0.0.1"
    assert environ["wsgi.version"] == [1, 0]
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.input_terminated"] is True
    assert environ["wsgi.multiprocess"] is True
    assert environ["wsgi.multithread"] is (cls in ("gthread", "gevent"))
    assert environ["wsgi.run_once"] is False


def test_one_environ_does_not_reach_the_next(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            seen = "MINE" in environ
            environ["MINE"] = "1"
            start_response("200 OK", [])
            return [str(seen).encode()]
        """,
        cls=cls,
    )
    assert [worker.get().body for _ in range(3)] == [b"False"] * 3


def test_each_listener_has_its_base(start):
    bases = [{"SERVER_NAME": "a", "wsgi.url_scheme": "http"}, {"SERVER_NAME": "b", "wsgi.url_scheme": "https"}]
    worker = start(ECHO, bases=bases)
    assert echo(worker, base=1)["SERVER_NAME"] == "b"
    assert echo(worker, base=1)["wsgi.url_scheme"] == "https"
    assert echo(worker, base=0)["SERVER_NAME"] == "a"


@pytest.mark.parametrize("flags", [0, IN_ARENA])
@pytest.mark.parametrize("form", [1, 2])
def test_forms(start, form, flags):
    worker = start(ECHO)
    assert echo(worker, "/x", form=form, flags=flags)["PATH_INFO"] == "/x"


def test_a_nul_injects_no_key(start, cls):
    worker = start(ECHO, cls=cls)
    environ = echo(worker, "/x\0REMOTE_USER\0admin", form=2)
    assert environ["PATH_INFO"] == "/x\0REMOTE_USER\0admin"
    assert "REMOTE_USER" not in environ


INPUT = """
    import json
    def app(environ, start_response):
        stream = environ["wsgi.input"]
        first = stream.read(3)
        line = stream.readline()
        lines = stream.readlines(1)
        rest = b"".join(stream)
        start_response("200 OK", [])
        return [b"|".join([first, line, b",".join(lines), rest, stream.read()])]
    """


@pytest.mark.parametrize("flags", [0, IN_ARENA])
def test_inline_body(start, cls, flags):
    worker = start(INPUT, cls=cls)
    assert worker.get("/", "POST", b"abcdef\nghi\njkl\nm", flags=flags).body == b"abc|def\n|ghi\n|jkl\nm|"
    assert worker.get("/").body == b"||||"


def test_spooled_body(start, cls):
    worker = start(INPUT, cls=cls)
    id = worker.send("/", "POST", flags=SPOOLED)
    assert worker.frame(id).kind == FETCH
    with tempfile.TemporaryFile() as file:
        file.write(b"abcdef\nghi\n" + b"x" * 200_000)  # the offset stays at the end
        file.flush()
        worker.tell(master.BODY_FILE, 0, id, (200_011).to_bytes(8, "little"), file.fileno())
        assert worker.answer(id).body == b"abc|def\n|ghi\n|" + b"x" * 200_000 + b"|"


def test_spooled_body_of_a_cancelled_request(start, cls):
    worker = start(INPUT, cls=cls)
    id = worker.send("/", "POST", flags=SPOOLED)
    assert worker.frame(id).kind == FETCH
    worker.arena.cancel(id)
    worker.tell(master.CREDIT, master.CANCELLED, id)
    assert worker.answer(id).dropped
    assert worker.get("/").body == b"||||"


def test_cancelled_before_it_ran(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            print("ran", environ["PATH_INFO"], flush=True, file=__import__("sys").stderr)
            start_response("200 OK", [])
            return []
        """,
        cls=cls,
    )
    worker.arena.cancel(70_000)
    assert worker.get("/left", id=70_000).dropped
    assert not worker.get("/there").dropped
    assert "/left" not in worker.stderr() and "/there" in worker.stderr()


VALIDATED = """
    from wsgiref.validate import validator
    from wsgiref.util import FileWrapper
    import io
    def plain(environ, start_response):
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read(10)
        environ["wsgi.errors"].write("seen\\n")
        environ["wsgi.errors"].writelines(["more\\n"])
        environ["wsgi.errors"].flush()
        headers = [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        if path == "/status":
            start_response("204 No Content", [])
            return []
        if path == "/write":
            start_response("200 OK", headers)(b"written ")
            return [b"returned"]
        if path == "/replaced":
            start_response("200 OK", headers)
            try:
                1 / 0
            except ZeroDivisionError:
                import sys
                start_response("500 Oops", headers, sys.exc_info())
            return [b"replaced"]
        if path == "/generator":
            def blocks():
                start_response("200 OK", headers)
                yield b"one "
                yield b""
                yield b"two"
            return blocks()
        if path == "/file":
            start_response("200 OK", headers)
            return environ["wsgi.file_wrapper"](io.BytesIO(b"f" * 20000))
        start_response("200 OK", headers)
        return [b"body ", body]
    app = validator(plain)
    """


@pytest.mark.parametrize(
    "path, status, body",
    [
        ("/", "200 OK", b"body in"),
        ("/status", "204 No Content", b""),
        ("/write", "200 OK", b"written returned"),
        ("/replaced", "500 Oops", b"replaced"),
        ("/generator", "200 OK", b"one two"),
        ("/file", "200 OK", b"f" * 20000),
    ],
)
def test_the_validator_passes(start, cls, path, status, body):
    worker = start(VALIDATED, cls=cls, threads=2)
    answer = worker.get(path, "POST", b"in")
    assert not answer.failed, worker.log()
    assert (answer.status, answer.body) == (status, body)
    if path != "/status":
        assert [v for n, v in answer.headers if n == "Set-Cookie"] == ["a=1", "b=2"]
    assert "seen\nmore\n" in worker.stderr()
    assert worker.drain() == 0


def test_a_list_is_one_frame(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            start_response("200 OK", [("X", "y")])
            return [b"a", b"b", b""] if environ["PATH_INFO"] == "/list" else (b"t",)
        """,
        cls=cls,
    )
    for path, body in (("/list", b"ab"), ("/tuple", b"t")):
        answer = worker.get(path)
        assert [(f.kind, f.flags, f.body) for f in answer.frames] == [(RESPONSE, FINAL | WHOLE, body)]


def test_each_block_is_sent_before_the_next_is_asked_for(start, cls):
    worker = start(
        """
        import os
        def app(environ, start_response):
            start_response("200 OK", [])
            pipe = environ["HTTP_PIPE"]
            yield b"one"
            open(pipe).read()
            yield b"two"
        """,
        cls=cls,
    )
    pipe = os.path.join(worker.folder, "pipe")
    os.mkfifo(pipe)
    id = worker.send(environ={"HTTP_PIPE": pipe}, flags=QUICK)
    first = worker.frame(id)
    assert (first.kind, first.flags, first.body) == (RESPONSE, 0, b"one")
    with open(pipe, "w"):
        pass
    assert [(f.kind, f.flags, f.body) for f in worker.answer(id).frames] == [(BLOCK, 0, b"two"), (BLOCK, FINAL, b"")]


def test_a_declared_length_makes_one_frame(start, cls):
    worker = start(
        """
        class Result:
            def __init__(self):
                self.blocks = [b"", b"Hello"]
            def __iter__(self):
                return iter(self.blocks)
            def close(self):
                import sys
                print("closed", file=sys.stderr, flush=True)
        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "5")])
            return Result()
        """,
        cls=cls,
    )
    for _ in range(2):
        answer = worker.get(flags=QUICK)
        assert [(f.kind, f.flags, f.body) for f in answer.frames] == [(RESPONSE, FINAL | WHOLE, b"Hello")]
    master.until(lambda: worker.stderr().count("closed") == 2)
    assert worker.drain() == 0
    assert worker.stderr().count("closed") == 2


def test_a_final_answer_does_not_wait_for_close(start, cls):
    worker = start(
        """
        class Result(list):
            pipe = ""
            def close(self):
                open(self.pipe).read()
        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "2")])
            result = Result([b"ok"])
            result.pipe = environ["HTTP_PIPE"]
            return result
        """,
        cls=cls,
    )
    pipe = os.path.join(worker.folder, "pipe")
    os.mkfifo(pipe)
    id = worker.send(environ={"HTTP_PIPE": pipe})
    assert worker.answer(id).body == b"ok"
    assert worker.running() == [id]
    with open(pipe, "w"):
        pass
    master.until(lambda: not worker.running())


@pytest.mark.parametrize(
    "path, status, declared, body",
    [
        ("/list", "200 OK", "5", b""),
        ("/iterable", "200 OK", None, b""),
        ("/declared", "200 OK", "9", b""),
        ("/none", "200 OK", None, b""),
    ],
)
def test_head(start, cls, path, status, declared, body):
    worker = start(
        """
        import sys
        class Blocks:
            def __iter__(self):
                return iter([b"he", b"llo"])
            def close(self):
                print("closed", file=sys.stderr, flush=True)
        def app(environ, start_response):
            path = environ["PATH_INFO"]
            start_response("200 OK", [("Content-Length", "9")] if path == "/declared" else [])
            if path == "/list":
                return [b"hello"]
            return Blocks() if path == "/iterable" else []
        """,
        cls=cls,
    )
    answer = worker.get(path, "HEAD")
    assert [f.flags & WHOLE for f in answer.frames] == [0]
    assert (answer.status, answer.header("Content-Length"), answer.body, answer.failed) == (status, declared, body, False)
    assert worker.drain() == 0
    assert worker.stderr().count("closed") == (path == "/iterable")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body(start, status):
    worker = start(
        f"""
        def app(environ, start_response):
            start_response("{status}", [])
            return [b"not to be sent"]
        """
    )
    answer = worker.get()
    assert [(f.kind, f.flags, f.body, f.headers) for f in answer.frames] == [(RESPONSE, FINAL, b"", [])]


def test_write_is_sent_before_it_returns(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            write = start_response("200 OK", [])
            write(b"one")
            open(environ["HTTP_PIPE"]).read()
            write(b"two")
            return [b"three"]
        """,
        cls=cls,
    )
    pipe = os.path.join(worker.folder, "pipe")
    os.mkfifo(pipe)
    id = worker.send(environ={"HTTP_PIPE": pipe}, flags=QUICK)
    assert worker.frame(id).body == b"one"
    with open(pipe, "w"):
        pass
    assert worker.answer(id).body == b"twothree"


def test_early_hints(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload"), (b"Link", b"</b.js>")])
            start_response("200 OK", [])
            environ["wsgi.early_hints"]([("Link", "</c>")])
            return [b"done"]
        """,
        cls=cls,
    )
    answer = worker.get(flags=QUICK)
    assert [f.kind for f in answer.frames] == [EARLY, EARLY, RESPONSE]
    assert answer.frames[0].status == "103 Early Hints"
    assert answer.frames[0].headers == [("Link", "</a.css>; rel=preload"), ("Link", "</b.js>")]


FILES = """
    import gzip, io, tempfile
    def app(environ, start_response):
        path = environ["PATH_INFO"]
        name = environ["HTTP_FILE"]
        opened = {
            "/offset": lambda: open(name, "rb"),
            "/raw": lambda: open(name, "rb", buffering=0),
            "/gzip": lambda: gzip.open(name, "rb"),
            "/memory": lambda: io.BytesIO(b"in memory"),
            "/used": lambda: open(name, "rb"),
            "/length": lambda: open(name, "rb"),
        }[path]()
        headers = []
        if path == "/offset":
            opened.seek(4)
        if path == "/length":
            headers = [("Content-Length", "3")]
        write = start_response("200 OK", headers)
        if path == "/used":
            write(b"first ")
        return environ["wsgi.file_wrapper"](opened, 5)
    """


@pytest.mark.parametrize(
    "path, offset, length",
    [("/offset", 4, 6), ("/raw", 0, 10), ("/length", 0, 3)],
)
def test_a_real_file_is_handed_over(start, cls, path, offset, length):
    worker = start(FILES, cls=cls)
    name = os.path.join(worker.folder, "file")
    with open(name, "wb") as file:
        file.write(b"0123456789")
    id = worker.send(path, environ={"HTTP_FILE": name})
    _, _, sent_id, payload, fds = worker.message(master.FILE)
    assert sent_id == id
    assert [int.from_bytes(payload[i : i + 8], "little") for i in (0, 8)] == [offset, length]
    frame = master.Frame(payload[16:52], payload[52:])
    assert (frame.id, frame.kind, frame.flags, frame.status) == (id, RESPONSE, FINAL, "200 OK")
    assert os.pread(fds[0], length, offset) == b"0123456789"[offset : offset + length]
    os.close(fds[0])
    master.until(lambda: not worker.running())


@pytest.mark.parametrize("path, body", [("/memory", b"in memory"), ("/gzip", b"unzipped"), ("/used", b"first 0123456789")])
def test_what_is_no_plain_file_is_read(start, cls, path, body):
    import gzip

    worker = start(FILES, cls=cls)
    name = os.path.join(worker.folder, "file")
    with open(name, "wb") as file:
        file.write(gzip.compress(b"unzipped") if path == "/gzip" else b"0123456789")
    assert worker.get(path, environ={"HTTP_FILE": name}).body == body


def test_errors_go_to_the_log_when_captured(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            print("from the app", file=environ["wsgi.errors"])
            start_response("200 OK", [])
            return []
        """,
        cls=cls,
        capture=True,
    )
    worker.get()
    assert worker.log() == (0, "from the app")


def test_cpu_time_is_measured_on_demand(start):
    worker = start(
        """
        def app(environ, start_response):
            for i in range(200_000):
                pass
            start_response("200 OK", [])
            return [b""]
        """,
        cls="gthread",
        threads=2,
    )
    assert 500 < worker.get(flags=master.MEASURE_CPU).frames[0].cpu < 1_000_000
    assert worker.get().frames[0].cpu == 0xFFFFFFFF
