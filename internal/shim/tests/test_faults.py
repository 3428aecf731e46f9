"""Apps that lie, fail, fork and leak: the right answer, a log line that names
the fault, and an untouched protocol."""
from __future__ import annotations

import os
import signal
import socket
import tempfile

import master
import pytest
from master import BLOCK, FAILED, FINAL, RESPONSE

GOOD = """
    def good(environ, start_response):
        start_response("200 OK", [])
        return [b"good"]
    """

# Each app fails before its head: the client gets a 500, the log the reason.
BEFORE_THE_HEAD = {
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "sys_exit": ("import sys; sys.exit(3)", "raised SystemExit in a request"),
    "interrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt in a request"),
    "recursion": ("app(environ, start_response)", "RecursionError"),
    "no_start_response": ("return [b'x']", "did not call start_response"),
    "no_start_response_empty": ("return []", "did not call start_response"),
    "no_start_response_iterable": ("return iter([b'x'])", "did not call start_response"),
    "returns_none": ("start_response('200 OK', [])", "'NoneType' object is not iterable"),
    "returns_str": ("start_response('200 OK', []); return 'text'", "the app returned str"),
    "returns_bytes": ("start_response('200 OK', []); return b'x'", "the app returned bytes"),
    "list_of_str": ("start_response('200 OK', []); return ['x']", "must be bytes, not str"),
    "list_of_two_str": ("start_response('200 OK', []); return ['x', 'y']", "expected a bytes-like object, str found"),
    "iterable_of_str": ("start_response('200 OK', []); return iter(['x'])", "must be bytes, not str"),
    "twice": ("start_response('200 OK', []); start_response('200 OK', [])", "called twice without exc_info"),
    "status_bytes": ("start_response(b'200 OK', [])", "the status must be a str, not bytes"),
    "status_number": ("start_response(200, [])", "the status must be a str, not int"),
    "status_short": ("start_response('20 OK', [])", "the status must be three digits"),
    "status_informational": ("start_response('101 Switching', [])", "from 200 on"),
    "status_injection": ("start_response('200 OK\\r\\nX: y', [])", "the status must be three digits"),
    "name_bytes": ("start_response('200 OK', [(b'X', 'y')])", "a header name must be a str, not bytes"),
    "name_no_token": ("start_response('200 OK', [('X Y', 'y')])", "a header name must be a token: 'X Y'"),
    "name_empty": ("start_response('200 OK', [('', 'y')])", "a header name must be a token: ''"),
    "name_injection": ("start_response('200 OK', [('X\\r\\nY', 'y')])", "a header name must be a token"),
    "value_bytes": ("start_response('200 OK', [('X', b'y')])", "the value of header 'X' must be a str, not bytes"),
    "value_number": ("start_response('200 OK', [('X', 5)])", "the value of header 'X' must be a str, not int"),
    "value_cr": ("start_response('200 OK', [('X', 'a\\rb')])", "the value of header 'X' holds the control character '\\r'"),
    "value_lf": ("start_response('200 OK', [('X', 'a\\nb')])", "the value of header 'X' holds the control character '\\n'"),
    "value_nul": ("start_response('200 OK', [('X', 'a\\0b')])", "the value of header 'X' holds the control character '\\x00'"),
    "value_after_spaces": ("start_response('200 OK', [('Content-Length', ' 1 '), ('X', 'a\\nb')])", "the value of header 'X' holds the control character '\\n'"),
    "value_unicode": ("start_response('200 OK', [('X', '\\u20ac')])", "which is not latin-1"),
    "three_items": ("start_response('200 OK', [('X', 'y', 'z')])", "each header must be a tuple of a name and a value"),
    "headers_none": ("start_response('200 OK', None)", "the headers must be a list, not NoneType"),
    "headers_dict": ("start_response('200 OK', {'X': 'y', 'Longer': 'z'})", "the headers must be a list, not dict"),
    "length_words": ("start_response('200 OK', [('content-length', 'ten')])", "Content-Length must be digits: 'ten'"),
    "length_negative": ("start_response('200 OK', [('Content-Length', '-1')])", "Content-Length must be digits: '-1'"),
    "length_twice": ("start_response('200 OK', [('Content-Length', '1')] * 2)", "Content-Length stands twice"),
    "head_too_large": ("start_response('200 OK', [('X', 'y' * (33 << 20))])", "are too many"),
    "generator": ("start_response('200 OK', []); return (1 / 0 for _ in 'x')", "ZeroDivisionError"),
    "bad_str": ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})", "E"),
    "base_exception": ("raise BaseException('odd')", "BaseException: odd"),
    "exit_in_str": ("raise type('E', (Exception,), {'__str__': lambda self: exit(3)})", "E"),
    "broken_uri": ("environ['RAW_URI'] = Broken(); 1 / 0", "its environ cannot be read: OSError"),
    "broken_key": ("environ.clear(); environ[Broken()] = 1; 1 / 0", "ZeroDivisionError"),
    "broken_module_name": ("import types\n    exec('def f(): 1 / 0\\nf()', {'__name__': None})", "ZeroDivisionError"),
    "broken_next": ("start_response('200 OK', []); return iter(Broken().fails, 0)", "OSError: broken"),
    "str_subclass": ("start_response('200 OK', [('X', FalseStr('a\\r\\nb'))])", "holds the control character '\\r'"),
    "status_subclass": ("start_response(FalseStr('200 OK\\r\\nX: y'), [])", "the status must be three digits"),
}


# Objects of which every question raises, or is answered wrongly.
BROKEN = """
class Broken:
    def fails(self, *_):
        raise OSError("broken")
    __str__ = __repr__ = __bool__ = __eq__ = __len__ = __getattr__ = fails
    __class__ = property(fails)
    __hash__ = lambda self: hash("RAW_URI")
class FalseStr(str):
    isprintable = isdigit = isascii = lambda self: True
    __hash__, __eq__ = str.__hash__, lambda self, other: True
    encode = lambda self, *_: b"false"
"""


@pytest.fixture(scope="module", params=master.variants(*master.CLASSES), ids="-".join)
def liar(request):
    """A worker with all these apps, by path."""
    code = BROKEN + "def good(environ, start_response):\n    start_response('200 OK', [])\n    return [b'good']\n"
    for name, (body, _) in BEFORE_THE_HEAD.items():
        code += f"def {name}(environ, start_response):\n    {body.replace('app(', name + '(')}\n"
    code += "def app(environ, start_response):\n"
    code += "    return globals()[environ['PATH_INFO'].lstrip('/')](environ, start_response)\n"
    worker = master.Worker("wsgi_app:app", code, cls=request.param[0], implementation=request.param[1], threads=2)
    yield worker
    worker.close()


@pytest.mark.parametrize("name", BEFORE_THE_HEAD)
def test_before_the_head(liar, name):
    answer = liar.get(f"/{name}?a=b")
    assert [(f.kind, f.flags, f.head, f.body) for f in answer.frames] == [(FAILED, FINAL, b"", b"")]
    level, text = liar.log()
    assert level == 40
    assert text.startswith(f"Error handling request /{name}?a=b\n") or "broken_" in name
    assert BEFORE_THE_HEAD[name][1] in text
    assert liar.get("/good").body == b"good"


def test_the_traceback_begins_with_the_app(start, cls):
    worker = start(
        """
        def inner():
            raise ValueError("the fault")
        def app(environ, start_response):
            inner()
        """,
        cls=cls,
    )
    assert worker.get("/x").failed
    _, text = worker.log()
    lines = text.splitlines()
    assert lines[0] == "Error handling request /x"
    assert "wsgi_app.py" in lines[2] and "in app" in lines[2]
    assert lines[-1] == "ValueError: the fault"


def test_a_traceback_of_the_shim_shows_its_lines(start):
    worker = start("def app(environ, start_response):\n    start_response('20', [])\n")
    assert worker.get().failed
    _, text = worker.log()
    assert 'File "<girin>/exchange.py"' in text
    assert "heads.encode(status, headers)" in text


AFTER_THE_HEAD = {
    "raises": ("yield b'ab'; 1 / 0", b"ab", "ZeroDivisionError"),
    "str": ("yield b'ab'; yield 'c'", b"ab", "must be bytes, not str"),
    "again": (
        """yield b"ab"
            try:
                1 / 0
            except ZeroDivisionError:
                import sys
                start_response("500 Oops", [], sys.exc_info())""",
        b"ab",
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("name", AFTER_THE_HEAD)
def test_after_the_head(start, cls, name):
    body, sent, text = AFTER_THE_HEAD[name]
    worker = start(
        f"""
        def app(environ, start_response):
            start_response("200 OK", [])
            {body}
        """,
        cls=cls,
    )
    answer = worker.get()
    assert answer.failed and answer.status == "200 OK" and answer.body == sent
    assert text in worker.log()[1]


LENGTHS = """
    import sys
    class Blocks(list):
        def close(self):
            print("closed", file=sys.stderr, flush=True)
    def app(environ, start_response):
        path, length = environ["PATH_INFO"], environ["QUERY_STRING"]
        write = start_response("200 OK", [("Content-Length", length)])
        blocks = [b"abc", b"def"]
        if path == "/write":
            for block in blocks:
                write(block)
            return []
        return Blocks(blocks) if path == "/iterable" else blocks
    """


@pytest.mark.parametrize("path", ["/list", "/iterable", "/write"])
@pytest.mark.parametrize("length, body, failed", [(0, b"", False), (2, b"ab", False), (4, b"abcd", False), (6, b"abcdef", False), (9, b"abcdef", True)])
def test_content_length(start, path, length, body, failed):
    worker = start(LENGTHS)
    answer = worker.get(f"{path}?{length}")
    assert (answer.body, answer.failed) == (body, failed)
    assert answer.header("Content-Length") == str(length)
    if failed:
        assert worker.log() == (30, f"{path}?{length}: the app sent 6 of the 9 bytes of its Content-Length")
    elif length < 6:
        assert worker.log() == (30, f"{path}?{length}: the app sent more than the {length} bytes of its Content-Length; cut there")
    assert worker.drain() == 0
    assert not [m for m in worker.messages if m[0] == master.LOG]
    assert worker.stderr().count("closed") == (path == "/iterable")


FALSE_LENGTHS = """
    class Bytes(bytes):
        length = 0
        def __len__(self):
            return Bytes.length
    def app(environ, start_response):
        how, Bytes.length, declared = environ["PATH_INFO"][1:], *map(int, environ["QUERY_STRING"].split("&"))
        block = Bytes(b"true")
        write = start_response("200 OK", [("Content-Length", "4")] * declared)
        if how == "write":
            write(block)
        return {"list": [block], "iterable": iter([block]), "write": []}[how]
    """


def test_a_block_that_lies_about_its_length(start, cls):
    worker = start(FALSE_LENGTHS, cls=cls)
    for how in ("list", "iterable", "write"):
        for length in (0, 1, 100_000):
            for declared in (0, 1):
                answer = worker.get(f"/{how}?{length}&{declared}")
                assert (answer.body, answer.failed) == (b"true", False)


def test_a_file_shorter_than_its_length(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "99")])
            return environ["wsgi.file_wrapper"](open(__file__, "rb"))
        """,
        cls=cls,
    )
    worker.send()
    _, _, _, payload, _ = worker.message(master.FILE)
    assert int.from_bytes(payload[8:16], "little") == 99
    worker2 = start("def app(e, s):\n    s('200 OK', [('Content-Length', '9999')])\n    return e['wsgi.file_wrapper'](open(__file__, 'rb'))\n", cls=cls)
    worker2.send("/f")
    _, _, _, payload, _ = worker2.message(master.FILE)
    assert int.from_bytes(payload[8:16], "little") == 9999
    assert "/f: the file has " in worker2.log()[1]


def test_close_that_raises(start, cls):
    worker = start(
        """
        class Blocks:
            def __iter__(self):
                return iter([b"body"])
            def close(self):
                raise SystemExit("in close")
        def app(environ, start_response):
            start_response("200 OK", [])
            return Blocks()
        """,
        cls=cls,
    )
    answer = worker.get("/c")
    assert answer.body == b"body" and not answer.failed
    assert worker.log()[1].startswith("Error closing the response of /c\nTraceback")
    assert worker.get("/c").body == b"body"


def test_close_is_called_when_the_iteration_fails(start, cls):
    worker = start(
        """
        import sys
        class Blocks:
            def __iter__(self):
                raise ValueError
            def close(self):
                print("closed", file=sys.stderr, flush=True)
        def app(environ, start_response):
            start_response("200 OK", [])
            return Blocks()
        """,
        cls=cls,
    )
    assert worker.get().failed
    assert worker.drain() == 0
    assert worker.stderr().count("closed") == 1


def test_calls_after_the_end_reach_nobody(start, cls):
    worker = start(
        """
        kept = []
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/late":
                start, write = kept
                write(b"stale")
                try:
                    start("200 OK", [])
                except AssertionError:
                    pass
            kept[:] = [start_response, start_response("200 OK", [])]
            return [b"own"]
        """,
        cls=cls,
    )
    assert worker.get().body == b"own"
    assert [f.body for f in worker.get("/late").frames] == [b"own"]
    assert worker.drain() == 0
    assert not worker.frames


def test_a_large_header(start):
    worker = start(
        """
        def app(environ, start_response):
            start_response("200 OK", [("X", "y" * (10 << 20))])
            return [b"ok"]
        """
    )
    answer = worker.get()
    assert len(answer.header("X")) == 10 << 20 and answer.body == b"ok"


FORK = """
    import os, sys, multiprocessing, threading
    def child(queue):
        queue.put("from the child")
    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/returns":
            os.fork()
        elif path == "/raises":
            if not os.fork():
                raise ValueError("in the child")
        elif path == "/yields":
            def blocks():
                start_response("200 OK", [])
                yield b"one"
                os.fork()
                yield b"two"
            return blocks()
        elif path == "/lingers":
            if not os.fork():
                import time
                time.sleep(0.3)
                print("lingered", file=sys.stderr, flush=True)
                os._exit(0)
        elif path == "/waits":
            pid = os.fork()
            if not pid:
                os._exit(7)
            start_response("200 OK", [])
            return [str(os.waitpid(pid, 0)[1] >> 8).encode()]
        elif path == "/multiprocessing":
            queue = multiprocessing.SimpleQueue()
            process = multiprocessing.get_context("fork").Process(target=child, args=(queue,))
            process.start()
            answer = queue.get().encode()
            process.join()
            start_response("200 OK", [])
            return [answer]
        start_response("200 OK", [])
        return [b"once"]
    """


@pytest.mark.parametrize("path, body", [("/returns", b"once"), ("/raises", b"once"), ("/yields", b"onetwo")])
def test_a_forked_child_answers_nothing(start, cls, path, body):
    worker = start(FORK, cls=cls, threads=2)
    for _ in range(3):
        assert worker.get(path).body == body
    master.until(lambda: worker.stderr().count("returned into the server") == 3)
    assert worker.get().body == b"once"
    assert worker.drain() == 0
    assert not worker.frames


@pytest.mark.parametrize("path, body", [("/waits", b"7"), ("/multiprocessing", b"from the child")])
def test_forks_that_behave(start, cls, path, body):
    # gevent by itself now and then misses the end of a process's first child.
    worker = start(FORK, cls="sync" if cls == "gevent" else cls, threads=2)
    assert worker.get(path).body == body
    assert worker.get(path).body == body
    assert worker.drain() == 0


def test_a_child_that_lives_on_reads_nothing(start, cls):
    worker = start(FORK, cls=cls, threads=2)
    assert worker.get("/lingers").body == b"once"
    while "lingered" not in worker.stderr():
        answer = worker.get()
        assert (answer.body, len(answer.frames)) == (b"once", 1)
    assert worker.drain() == 0
    assert not worker.frames


def test_spawn_does_not_run_the_shim_again(start, cls):
    worker = start(
        """
        import multiprocessing, os
        def double(x):
            return 2 * x
        def app(environ, start_response):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                answer = pool.apply(double, (21,))
            start_response("200 OK", [])
            return [str(answer).encode()]
        """,
        cls="sync" if cls == "gevent" else cls,  # gevent and multiprocessing's pool do not agree
    )
    assert worker.get().body == b"42"


def test_children_inherit_no_descriptor(start, cls):
    worker = start(
        """
        import os, subprocess
        LIST = "for fd in /proc/self/fd/*; do readlink $fd; done"
        def app(environ, start_response):
            body = subprocess.run(["/bin/sh", "-c", LIST], close_fds=False, stdout=subprocess.PIPE).stdout
            start_response("200 OK", [])
            return [body]
        """,
        cls=cls,
    )
    ours = ("socket:", "/memfd:page", "/memfd:arena", "/memfd:shim", "anon_inode:")
    lane = os.readlink(f"/proc/self/fd/{worker.lane.read_end}")
    inherited = worker.get().body.decode().splitlines()
    assert inherited and not [name for name in inherited if name.startswith(ours) or name == lane]


def test_output_to_stdout_and_fd_1(start, cls):
    worker = start(
        """
        import os
        def app(environ, start_response):
            print("printed")
            os.write(1, b"written\\n")
            start_response("200 OK", [])
            return [b"ok"]
        """,
        cls=cls,
    )
    assert worker.get().body == b"ok"


def test_threads_left_behind_do_not_hinder_the_end(start, cls):
    worker = start(
        """
        import threading, time
        def app(environ, start_response):
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
            start_response("200 OK", [])
            return [b"ok"]
        """,
        cls=cls,
        threads=2,
    )
    assert worker.get().body == b"ok"
    assert worker.drain() == 0


@pytest.mark.parametrize("body, code", [("os._exit(9)", 9), ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV)])
def test_a_process_that_dies(start, cls, body, code):
    worker = start(f"import os, signal\ndef app(environ, start_response):\n    {body}\n", cls=cls)
    worker.send()
    assert worker.wait() == code
    if code < 0:
        assert "Fatal Python error: Segmentation fault" in worker.stderr()


BAD_PACKETS = {
    "short": b"\1" * 20,
    "odd strings": master.struct.pack("<BBBBIQIIQ", 1, 0, 0, 0, 1, 1, 5, 0, 0) + b"a\0b\0c",
    "unknown form": master.struct.pack("<BBBBIQIIQ", 9, 0, 0, 0, 1, 1, 3, 0, 0) + b"a\0b",
    "string too long": master.struct.pack("<BBBBIQIIQ", 2, 0, 0, 0, 1, 1, 5, 0, 0) + b"\xff\0\0\0a",
    "outside the arena": master.struct.pack("<BBBBIQIIQ", 1, 4, 0, 0, 1, 1, 5, 0, 1 << 40),
}


@pytest.mark.parametrize("name", BAD_PACKETS)
def test_a_packet_that_does_not_parse_ends_the_worker(start, cls, name):
    worker = start(GOOD + "\n    app = good\n", cls=cls, threads=2)
    worker.lane.put(BAD_PACKETS[name])
    assert worker.wait() == 70
    level, text = worker.log()
    assert level == 50 and "ends on a fault of its own:\nTraceback" in text


FULL = """
    import os, resource
    kept = []
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/fill":
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            try:
                while True:
                    kept.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
        elif environ["PATH_INFO"] == "/empty":
            while kept:
                os.close(kept.pop())
        body = b""
        if environ["REQUEST_METHOD"] == "POST":
            try:
                body = environ["wsgi.input"].read()
            except OSError as e:
                body = str(e.errno).encode()
        start_response("200 OK", [])
        return [body]
    """


def test_a_body_for_which_no_descriptor_is_left(start, cls):
    """Its app learns it; the worker, and what else it runs, goes on."""
    worker = start(FULL, cls=cls)

    def post() -> bytes:
        id = worker.send("/", "POST", flags=master.SPOOLED)
        assert worker.frame(id).kind == master.FETCH
        with tempfile.TemporaryFile() as file:
            file.write(b"the body")
            file.flush()
            worker.tell(master.BODY_FILE, 0, id, (8).to_bytes(8, "little"), file.fileno())
        return worker.answer(id).body

    def tunnel() -> bool:
        id = worker.send("/", flags=master.UPGRADE | master.STREAMED)
        assert worker.frame(id).kind == master.FETCH
        ours, theirs = socket.socketpair()
        with ours, theirs:
            worker.tell(master.BODY_FILE, 0, id, bytes(8), theirs.fileno())
            return worker.answer(id).failed

    worker.get("/fill")
    assert post() == b"24"  # EMFILE
    assert tunnel()
    worker.get("/empty")
    assert post() == b"the body"
    assert worker.drain() == 0


@pytest.mark.parametrize("message", [(99, 0, 0), (master.BODY_FILE, 0, 1)])
def test_a_control_message_that_does_not_parse_ends_the_worker(start, message):
    worker = start(GOOD + "\n    app = good\n")
    worker.tell(*message)
    assert worker.wait() == 70


def test_a_failed_request_after_its_final_frame_is_only_logged(start, cls):
    worker = start(
        """
        def app(environ, start_response):
            start_response("200 OK", [("Content-Length", "2")])
            yield b"ok"
            raise ValueError("too late")
        """,
        cls=cls,
    )
    answer = worker.get(flags=master.QUICK)
    assert [(f.kind, f.body) for f in answer.frames] == [(RESPONSE, b"ok")]
    assert "too late" in worker.log()[1]
    assert worker.drain() == 0
    assert not worker.frames


def test_sigterm_asks_for_another_worker(start, cls):
    """systemd signals all processes of a service; requests must not suffer."""
    worker = start("""
        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"served"]
        """, cls=cls)
    os.kill(worker.pid, signal.SIGTERM)
    worker.message(master.RETIRE)
    assert worker.get().body == b"served"
    assert worker.drain() == 0


def test_sigterm_ends_a_child_of_the_app(start):
    worker = start("""
        import multiprocessing, signal
        def app(environ, start_response):
            codes = set()
            for _ in range(200):  # mostly before Python has made it a child
                child = multiprocessing.get_context("fork").Process(target=signal.pause)
                child.start()
                child.terminate()
                child.join(10)
                codes.add(child.exitcode)
                child.kill()
            start_response("200 OK", [])
            return [str(codes).encode()]
        """)
    assert worker.get().body == b"{-15}"
