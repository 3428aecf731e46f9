"""Lying apps.

Each lie gets the answer that it deserves, a line in the log that names it, and
leaves nothing behind: requests on the same server go on as if nothing had been.
"""
from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

import pytest

import lyingapp
import raw
import servers
from conftest import HERE

CLASSES = {"sync": (1, 1), "gthread": (1, 2), "gevent": (1, 1), "gaiohttp": (1, 1), "auto": (1, 4)}
CUT = "cut"


@dataclass(frozen=True)
class Lie:
    status: int
    log: str  # in the error log; "": nothing need be said
    body: bytes | None = None
    cut: bool = False  # the client must see that the answer is not whole


def failed(log: str) -> Lie:
    return Lie(500, log)


LIES = {
    "raises": failed("ValueError: a secret of the app's"),
    "raises_late": Lie(200, "ValueError: after the head", b"f\r\nthe first block\r\n", cut=True),
    "raises_late_with_length": Lie(200, "ValueError: after the head", b"the first block", cut=True),
    "restarts_late": Lie(200, "too late for another head", b"f\r\nthe first block\r\n", cut=True),
    "restarts_in_time": Lie(418, "", b"short and stout"),
    "too_long": Lie(200, "more than the 5 bytes of its Content-Length", b"12345"),
    "too_long_stream": Lie(200, "more than the 5 bytes of its Content-Length", b"12345"),
    "too_short": Lie(200, "5 of the 10 bytes of its Content-Length", b"12345", cut=True),
    "header_cr": failed("X-A"), "header_lf": failed("X-A"), "header_crlf": failed("X-A"), "header_nul": failed("X-A"),
    "header_name": failed("X A:"), "header_int": failed("int"), "header_wide": failed("X-A"),
    "status_crlf": failed("status"), "status_int": failed("int"), "status_word": failed("fine"),
    "status_early": failed("100 Continue"),
    "body_str": failed("must return an iterable of bytes"), "body_none": failed("NoneType"),
    "body_list_of_str": failed("str"), "body_int": failed("int"), "yields_str": failed("must be bytes, not str"),
    "headers_no_list": failed("dict"),
    "twice": failed("start_response was called twice"), "never": failed("did not call start_response"),
    "never_empty": failed("did not call start_response"),
    "exits": failed("raised SystemExit"), "interrupts": failed("raised KeyboardInterrupt"),
    "ends_the_process": Lie(502, "exited with code 9"), "segfaults": Lie(502, "signal 11"),
    "closes_descriptors": Lie(502, "Worker (pid:"),
    "truncates_descriptors": Lie(200, "", b"ok"),
    "forks": Lie(200, "the app forked and the child", b"once"), "forks_and_waits": Lie(200, "", b"7"),
    "leaves_threads": Lie(200, "", b"ok"), "writes_to_fd_1": Lie(200, "written to descriptor 1", b"ok"),
    "recurses": failed("RecursionError"), "large_header": Lie(200, "", b"ok"),
    "closes_badly": Lie(200, "ValueError: a fault in close"),
    "hop_by_hop": Lie(200, "hop-by-hop field", b"ok"),
    "bad_length": failed("Content-Length"), "two_lengths": failed("Content-Length"),
    "body_with_204": Lie(204, "", b""),
    "false_length": Lie(200, "", b"true"),
    "false_length_stream": Lie(200, "", b"2\r\ntr\r\n2\r\nue\r\n0\r\n\r\n"),
}


def test_every_lie_is_told():
    assert LIES.keys() == lyingapp.PATHS.keys()


@pytest.fixture(scope="module", params=CLASSES)
def server(request):
    workers, threads = CLASSES[request.param]
    with servers.running(servers.girin(request.param, workers, threads), "lyingapp", cwd=HERE) as run:
        run.worker_class = request.param
        yield run


@pytest.mark.parametrize("name", LIES)
def test_lie(server, name):
    lie, said = LIES[name], len(server.output())
    answer = raw.ask(server.port, raw.head(f"/{name}", "Connection: close"))
    assert answer.status == lie.status, answer.data[:1000]
    assert b"x-injected" not in answer.head
    if lie.body is not None:
        assert answer.body == lie.body
    if lie.status >= 500:
        assert b"Traceback" not in answer.data and b"secret" not in answer.data
    assert is_whole(answer) != lie.cut
    raw.until(lambda: lie.log in server.output()[said:], what=f"{lie.log!r} in the log")
    with raw.connect(server.port) as connection:  # two on one connection
        for value in ("one", "two"):
            connection.sendall(raw.head(f"/?{value}"))
            seen = b""
            while not seen.endswith(value.encode()):
                piece = connection.recv(4096)
                assert piece, seen
                seen += piece
            assert seen.startswith(b"HTTP/1.1 200 OK\r\n")


def is_whole(answer: raw.Answer) -> bool:
    """Whether a client would take it for a whole answer."""
    length = re.search(rb"\r\ncontent-length: (\d+)", answer.head)
    if length:
        return len(answer.body) == int(length[1]) and not answer.reset
    if b"\r\ntransfer-encoding: chunked" in answer.head:
        return answer.body.endswith(b"0\r\n\r\n")
    return answer.status == 204 or b"\r\nconnection: close" in answer.head and not answer.reset


@pytest.mark.promise("An app that lies harms nobody but the request that it answers",
                     f"{len(LIES)} lies, from a header with CR LF to a segfault, each with requests after it")
def test_lies_in_all(full, measured, girin, gunicorn):
    with girin("gthread", 1, 2, app="lyingapp") as run:
        text = told(run)
        assert "not:" not in text, text
        measured.girin(text)
    if full:
        with gunicorn("gthread", 1, 2, app="lyingapp") as run:
            measured.gunicorn(told(run))


def told(run: servers.Running) -> str:
    """How many lies got the answer that they deserve."""
    wrong = []
    for name, lie in LIES.items():
        answer = raw.Answer(b"", True)
        with contextlib.suppress(OSError):
            answer = raw.ask(run.port, raw.head(f"/{name}", "Connection: close"))
        right = answer.status == lie.status and b"x-injected" not in answer.head and is_whole(answer) != lie.cut
        if not right:
            wrong.append(name)
    text = f"{len(LIES) - len(wrong)} of {len(LIES)} answered as they should be"
    return text + (f"; not: {', '.join(wrong)}" if wrong else "")
