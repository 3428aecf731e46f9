"""What a WebSocket's client sees beside uvicorn, and of sockets behind what stands before girin."""
import contextlib
import json
import re
import socket
import ssl
import subprocess

import pytest
import servers

from asgi_server import APPS, make_certificate, serving
from waiting import until

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"
APP = "socketcases:app"


def handshake(path, fields=KEY + VERSION, line="GET {} HTTP/1.1"):
    return (line.format(path) + f"\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\r\n").encode()


def masked(first: int, payload: bytes) -> bytes:
    if len(payload) < 126:
        size = bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        size = bytes([0xFE]) + len(payload).to_bytes(2, "big")
    else:
        size = bytes([0xFF]) + len(payload).to_bytes(8, "big")
    return bytes([first]) + size + bytes(4) + payload


class Conversation:
    """A connection that has sent a handshake, and what came back."""

    def __init__(self, connection, request: bytes, more: bytes = b""):
        self.socket = connection
        self.socket.settimeout(20)
        self.socket.sendall(request + more)
        self.came = b""
        while b"\r\n\r\n" not in self.came:
            self._more()
        self.head, _, self.came = self.came.partition(b"\r\n\r\n")
        self.status = int(self.head.split(b" ")[1])

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError
        self.came += data

    def frame(self) -> tuple[int, bytes]:
        while True:
            b = self.came
            if len(b) >= 2:
                size, at = b[1] & 127, 2
                if size >= 126:
                    at = 4 if size == 126 else 10
                    size = int.from_bytes(b[2:at], "big")
                if len(b) >= at + size:
                    self.came = b[at + size:]
                    return b[0] & 15, b[at:at + size]
            self._more()

    def end(self) -> str:
        """What comes up to the end, in words."""
        if self.status != 101:
            return f"status {self.status}"
        said = []
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                opcode, payload = self.frame()
                if opcode == 8:
                    code = int.from_bytes(payload[:2], "big") if payload else None
                    return " ".join([*said, f"closed with {code} {payload[2:].decode()}"]).strip()
                said.append({1: "text", 2: "bytes"}[opcode] + f" {payload[:50]!r}")
        return " ".join([*said, "an end without a close frame"])


def talk(port, path, *args, **more) -> Conversation:
    return Conversation(socket.create_connection(("127.0.0.1", port)), handshake(path, *args), **more)


@pytest.fixture(scope="module")
def girin():
    with serving("-w", "1", app=APP) as s:
        yield s


@pytest.fixture(scope="module")
def uvicorn():
    server = servers.Server("uvicorn", "1", (str(servers.BIN / "uvicorn"), "--host", "127.0.0.1", "--port", "{port}", "{app}"))
    with servers.running(server, APP, APPS) as run:
        yield run


@pytest.mark.parametrize("path", [
    "raises_before", "returns_before", "closes_before", "sends_before", "sends_after", "closes_twice", "closes_plainly", "closes?1000", "closes?1001&bye", "closes?1011", "closes?3000", "closes?4000", "closes?4999&%C3%A9",
    "closes?4000&" + "r" * 123, "denies",
])
def test_a_client_sees_what_it_sees_of_uvicorn(girin, uvicorn, path):
    ours, theirs = (talk(s.port, f"/{path}").end() for s in (girin, uvicorn))
    assert ours == theirs


@pytest.mark.parametrize(("path", "what"), [
    ("raises_after", "closed with 1011"), ("accepts_twice", "closed with 1011"), ("sends_an_unknown_event", "closed with 1011"),
    ("returns_after", "closed with 1000"),
])
def test_a_client_is_told_where_uvicorn_says_nothing(girin, uvicorn, path, what):
    assert talk(uvicorn.port, f"/{path}").end() == "an end without a close frame"
    assert talk(girin.port, f"/{path}").end() == what


@pytest.mark.parametrize(("path", "what"), [
    # There uvicorn ends the connection without a word (1006): the code cannot be sent.
    ("closes?999", "closed with 1011"), ("closes?1004", "closed with 1011"), ("closes?1006", "closed with 1011"), ("closes?1015", "closed with 1011"),
    ("closes?2999", "closed with 1011"), ("closes?5000", "closed with 1011"), ("closes?65535", "closed with 1011"),
    ("closes?4000&" + "r" * 200, "closed with 4000 " + "r" * 123),  # the most that a close frame has room for
])
def test_what_must_not_be_sent(girin, path, what):
    assert talk(girin.port, f"/{path}").end() == what


@pytest.mark.parametrize(("fields", "line", "status"), [
    (KEY + "Sec-WebSocket-Version: 7\r\n", "GET {} HTTP/1.1", 426), (KEY, "GET {} HTTP/1.1", 426), (VERSION, "GET {} HTTP/1.1", 400),
    (VERSION + "Sec-WebSocket-Key: !!!!\r\n", "GET {} HTTP/1.1", 400), (VERSION + "Sec-WebSocket-Key: c2hvcnQ=\r\n", "GET {} HTTP/1.1", 400),
    (VERSION + KEY + KEY, "GET {} HTTP/1.1", 400), (KEY + VERSION, "POST {} HTTP/1.1", 400), (KEY + VERSION, "GET {} HTTP/1.1", 101),
])
def test_handshakes_that_are_wrong(girin, fields, line, status):
    s = Conversation(socket.create_connection(("127.0.0.1", girin.port)), handshake("/echo", fields, line))
    assert s.status == status
    assert (b"Sec-WebSocket-Version: 13" in s.head) == (status == 426)


def test_headers_and_subprotocols(girin):
    many = "Sec-WebSocket-Protocol: a, b\r\n" + "".join(f"Sec-WebSocket-Protocol: p{n}\r\n" for n in range(40))
    s = talk(girin.port, "/gives_headers", KEY + VERSION + many)
    lines = s.head.decode().split("\r\n")
    assert "Sec-WebSocket-Protocol: p39" in lines and "x-one: 1" in lines and lines.count("set-cookie: a=b") == lines.count("set-cookie: c=d") == 1
    said = json.loads(talk(girin.port, "/what?a=b", KEY + VERSION + many + "Origin: https://elsewhere.example\r\n").frame()[1])
    assert said["subprotocols"] == ["a", "b", *(f"p{n}" for n in range(40))]
    assert ["origin", "https://elsewhere.example"] in said["headers"] and said["query_string"] == "a=b" and said["scheme"] == "ws"


def test_frames_in_the_handshakes_packet(girin):
    s = talk(girin.port, "/echo", more=masked(0x81, b"at once") + masked(0x82, b"x" * 3000))
    assert s.frame() == (1, b"at once") and s.frame() == (2, b"x" * 3000)
    s.socket.sendall(masked(0x88, b"\x0f\xa1"))
    assert s.end() == "closed with 4001"


def test_a_client_that_ends_its_side(girin):
    s = talk(girin.port, "/echo")
    s.socket.sendall(masked(0x81, b"last"))
    assert s.frame() == (1, b"last")
    s.socket.shutdown(socket.SHUT_WR)
    assert s.socket.recv(100) == b""  # nobody waits for it any longer


@pytest.mark.parametrize("size", [16 << 20, (16 << 20) + 1])
def test_the_largest_message(girin, size):
    s = talk(girin.port, "/echo")
    s.socket.settimeout(60)
    with contextlib.suppress(ConnectionError):  # it is refused before it has all come
        s.socket.sendall(masked(0x82, b"x" * size))
    if size > 16 << 20:
        assert s.end().startswith("closed with 1009")
        return
    came = b""
    while len(came) < size:  # in one frame or several
        came += s.frame()[1]
    assert came == b"x" * size


def test_below_a_mount():
    with serving("-w", "1", "--root-path", "/api", app=APP) as s:
        said = json.loads(talk(s.port, "/api/what").frame()[1])
        assert (said["root_path"], said["path"]) == ("/api", "/api/what")
        said = json.loads(talk(s.port, "/what").frame()[1])
        assert (said["root_path"], said["path"]) == ("/api", "/api/what")


def test_behind_a_proxy():
    with serving("-w", "1", "--proxy-protocol", "v1", "--proxy-allow-from", "127.0.0.1", "--forwarded-allow-ips", "127.0.0.1", app=APP,
                 answers=of_proxy) as s:
        line = b"PROXY TCP4 192.0.2.7 127.0.0.1 5555 80\r\n"
        c = Conversation(socket.create_connection(("127.0.0.1", s.port)), line + handshake("/what"))
        assert json.loads(c.frame()[1])["client"] == ["192.0.2.7", 5555]


def of_proxy(run, within) -> None:
    def answers():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", run.port), within) as c:
            c.sendall(b"PROXY TCP4 192.0.2.7 127.0.0.1 5555 80\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return c.recv(100).startswith(b"HTTP/1.1 200")

    until(answers, within, "no answer")


def test_behind_a_proxy_that_tells_the_client():
    with serving("-w", "1", "--forwarded-allow-ips", "127.0.0.1", app=APP) as s:
        said = json.loads(talk(s.port, "/what", KEY + VERSION + "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n").frame()[1])
        assert (said["client"], said["scheme"]) == (["192.0.2.9", 0], "wss")


def test_on_a_unix_socket(tmp_path):
    path = str(tmp_path / "girin.sock")
    with serving("-w", "1", "-b", f"unix:{path}", "--ws-ping-interval", "1", app=APP):
        def connect(name, **more):
            c = socket.socket(socket.AF_UNIX)
            c.connect(path)
            return Conversation(c, handshake(name), **more)

        said = json.loads(connect("/what").frame()[1])
        assert said["client"] is None and said["server"] == [path, None]
        c = connect("/echo")
        c.socket.sendall(masked(0x82, b"x" * 3_000_000))
        came = b""
        while len(came) < 3_000_000:
            opcode, part = c.frame()
            came += part if opcode in (0, 2) else b""
        assert c.frame()[0] == 9  # and it is asked whether it is there


def test_by_a_clients_certificate(tmp_path):
    folder = make_certificate(tmp_path)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=client",
                    "-keyout", tmp_path / "client.key", "-out", tmp_path / "client.pem"], check=True, capture_output=True)
    options = ["--certfile", str(folder / "cert.pem"), "--keyfile", str(folder / "key.pem"), "--cert-reqs", "2", "--ca-certs", str(tmp_path / "client.pem")]

    def wrapped(port, with_one):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if with_one:
            context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
        return context.wrap_socket(socket.create_connection(("127.0.0.1", port)))

    def answers(run, within):
        until(lambda: re.search(r"Ready after|Listening", run.output()), within)

    with serving("-w", "1", *options, app=APP, answers=answers) as s:
        c = Conversation(wrapped(s.port, True), handshake("/what"))
        assert json.loads(c.frame()[1])["scheme"] == "wss"
        with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
            Conversation(wrapped(s.port, False), handshake("/what"))


def test_a_path_is_one_of_utf_8(girin):
    said = json.loads(talk(girin.port, "/%ED%95%9C%EA%B5%AD").frame()[1])
    assert said["path"] == "/한국" and said["raw_path"] == "/%ED%95%9C%EA%B5%AD"
