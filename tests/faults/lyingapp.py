"""An app that breaks the rules, each path in a way of its own."""
import contextlib
import ctypes
import os
import sys
import threading
import time

OK = [("Content-Type", "text/plain")]


class Blocks:
    def __init__(self, *blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)

    def close(self):
        raise ValueError("a fault in close")


def raises(start_response):
    raise ValueError("a secret of the app's")


def raises_late(start_response):
    start_response("200 OK", OK)
    yield b"the first block"
    raise ValueError("after the head")


def raises_late_with_length(start_response):
    start_response("200 OK", [*OK, ("Content-Length", "100")])
    yield b"the first block"
    raise ValueError("after the head")


def restarts_late(start_response):
    start_response("200 OK", OK)
    yield b"the first block"
    try:
        raise ValueError("too late for another head")
    except ValueError:
        start_response("500 Oops", OK, sys.exc_info())


def restarts_in_time(start_response):
    start_response("200 OK", OK)
    try:
        raise ValueError
    except ValueError:
        start_response("418 Teapot", OK, sys.exc_info())
    return [b"short and stout"]


def too_long(start_response):
    start_response("200 OK", [*OK, ("Content-Length", "5")])
    return [b"12345", b"67890"]


def too_long_stream(start_response):
    start_response("200 OK", [*OK, ("Content-Length", "5")])
    yield b"123"
    yield b"4567"
    yield b"890"


def too_short(start_response):
    start_response("200 OK", [*OK, ("Content-Length", "10")])
    return [b"12345"]


class FalseLength(bytes):
    def __len__(self):
        return 1_000_000


def false_length_stream(start_response):
    write = start_response("200 OK", OK)
    write(FalseLength(b"tr"))
    yield FalseLength(b"ue")


def header(name, value):
    def app(start_response):
        start_response("200 OK", [(name, value)])
        return [b"never"]
    return app


def status(text):
    def app(start_response):
        start_response(text, OK)
        return [b"never"]
    return app


def body(value):
    def app(start_response):
        start_response("200 OK", OK)
        return value
    return app


def yields_str(start_response):
    start_response("200 OK", OK)
    yield "text"


def headers_no_list(start_response):
    start_response("200 OK", {"a": "b"})
    return [b"never"]


def twice(start_response):
    start_response("200 OK", OK)
    start_response("200 OK", OK)
    return [b"never"]


def never(start_response):
    return [b"never"]


def never_empty(start_response):
    return []


def exits(start_response):
    sys.exit(3)


def interrupts(start_response):
    raise KeyboardInterrupt


def ends_the_process(start_response):
    os._exit(9)


def segfaults(start_response):
    ctypes.string_at(0)


def closes_descriptors(start_response):
    os.closerange(3, 200)
    start_response("200 OK", OK)
    return [b"never"]


def truncates_descriptors(start_response):
    for fd in range(3, 200):
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
    start_response("200 OK", OK)
    return [b"ok"]


def forks(start_response):
    os.fork()  # the child goes on as if it were the worker
    start_response("200 OK", OK)
    return [b"once"]


def forks_and_waits(start_response):
    pid = os.fork()
    if not pid:
        os._exit(7)
    start_response("200 OK", OK)
    return [b"%d" % (os.waitpid(pid, 0)[1] >> 8)]


def leaves_threads(start_response):
    for _ in range(5):
        threading.Thread(target=time.sleep, args=(0.5,)).start()
    threading.Thread(target=forever, daemon=True).start()
    start_response("200 OK", OK)
    return [b"ok"]


def forever():
    while True:
        time.sleep(0.01)


def writes_to_fd_1(start_response):
    print("printed by the app")
    os.write(1, b"written to descriptor 1\n" * 1000)
    start_response("200 OK", OK)
    return [b"ok"]


def recurses(start_response):
    return recurses(start_response)


def large_header(start_response):
    start_response("200 OK", [("X-Large", "x" * (10 << 20))])
    return [b"ok"]


def closes_badly(start_response):
    start_response("200 OK", OK)
    return Blocks(b"o", b"k")


def hop_by_hop(start_response):
    start_response("200 OK", [*OK, ("Connection", "upgrade"), ("Transfer-Encoding", "chunked")])
    return [b"ok"]


def bad_length(start_response):
    start_response("200 OK", [("Content-Length", "-5")])
    return [b"never"]


def two_lengths(start_response):
    start_response("200 OK", [("Content-Length", "2"), ("Content-Length", "3")])
    return [b"ok"]


def body_with_204(start_response):
    start_response("204 No Content", OK)
    return [b"nobody may see this"]


PATHS = {
    "raises": raises, "raises_late": raises_late, "raises_late_with_length": raises_late_with_length,
    "restarts_late": restarts_late, "restarts_in_time": restarts_in_time,
    "too_long": too_long, "too_long_stream": too_long_stream, "too_short": too_short,
    "header_cr": header("X-A", "a\rX-Injected: 1"), "header_lf": header("X-A", "a\nX-Injected: 1"),
    "header_crlf": header("X-A", "a\r\nX-Injected: 1\r\n\r\nbody"), "header_nul": header("X-A", "a\0b"),
    "header_name": header("X A:", "a"), "header_int": header("X-A", 5), "header_wide": header("X-A", "기린"),
    "status_crlf": status("200 OK\r\nX-Injected: 1"), "status_int": status(200), "status_word": status("fine"),
    "status_early": status("100 Continue"),
    "body_str": body("text"), "body_none": body(None), "body_list_of_str": body(["text"]), "body_int": body(5),
    "yields_str": yields_str, "headers_no_list": headers_no_list,
    "twice": twice, "never": never, "never_empty": never_empty,
    "exits": exits, "interrupts": interrupts, "ends_the_process": ends_the_process, "segfaults": segfaults,
    "closes_descriptors": closes_descriptors, "truncates_descriptors": truncates_descriptors,
    "forks": forks, "forks_and_waits": forks_and_waits, "leaves_threads": leaves_threads,
    "writes_to_fd_1": writes_to_fd_1, "recurses": recurses, "large_header": large_header,
    "closes_badly": closes_badly, "hop_by_hop": hop_by_hop, "bad_length": bad_length, "two_lengths": two_lengths,
    "body_with_204": body_with_204,
    "false_length": body([FalseLength(b"true")]), "false_length_stream": false_length_stream,
}


def application(environ, start_response):
    lie = PATHS.get(environ["PATH_INFO"].strip("/"))
    if lie is not None:
        return lie(start_response)
    start_response("200 OK", OK)
    return [environ["QUERY_STRING"].encode()]
