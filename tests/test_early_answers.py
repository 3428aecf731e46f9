"""An answer that comes before its body was read reaches every client: those that look at it
at once, and those that send all of the body first."""
import re
import socket
import ssl
import subprocess

import httpx
import pytest

import asgi_server
import servers
from waiting import until

KINDS = {  # app, status, options
    "asgi": ("early:asgi", 403, "-k", "asgi"),
    "asgi, Python": ("early:asgi", 403, "-k", "asgi", "--no-accelerator"),
    "streamed": ("early:wsgi", 403, "-k", "gthread", "--threads", "4", "--stream-requests", "*"),
    "auto, streamed": ("early:wsgi", 403, "--stream-requests", "*"),
    "too large": ("early:wsgi", 413, "-k", "gthread", "--threads", "4", "--limit-request-body", "300K"),
}
SERVERS = ["asgi clear", "asgi tls", "asgi, Python tls", "streamed clear", "auto, streamed tls", "too large clear", "too large tls"]
LARGE = 6_000_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return asgi_server.make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=SERVERS)
def server(request, certificate):
    kind, _, transport = request.param.rpartition(" ")
    app, status, *options = KINDS[kind]
    tls = transport == "tls"
    if tls:
        options += ["--certfile", str(certificate / "cert.pem"), "--keyfile", str(certificate / "key.pem"), "--http-protocols", "h2,h1"]
    else:
        options += ["--http2-cleartext", "prior-knowledge"]
    first = asgi_server.by_tls if tls else servers.await_answer
    with servers.running(servers.girin_auto("-w", "1", *options), app, asgi_server.APPS, answers=first) as run:
        run.status, run.tls = status, tls
        run.address = f"{'https' if run.tls else 'http'}://127.0.0.1:{run.port}/"
        yield run


def pieces():
    for _ in range(LARGE // 10_000):
        yield b"x" * 10_000


@pytest.mark.parametrize("body", ["with its length", "in pieces"])
@pytest.mark.parametrize("version", ["h1", "h2"])
def test_httpx_gets_its_answer(server, version, body):
    with httpx.Client(http1=version == "h1", http2=version == "h2", verify=False, timeout=20) as client:
        for _ in range(2):
            answer = client.post(server.address, content=b"x" * LARGE if body == "with its length" else pieces())
            assert answer.status_code == server.status
            assert answer.http_version == ("HTTP/2" if version == "h2" else "HTTP/1.1")
        assert client.get(server.address).text == "early"


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_gets_its_answer(server, version, tmp_path):
    if version == "--http2" and not server.tls:
        version = "--http2-prior-knowledge"
    (tmp_path / "body").write_bytes(b"x" * LARGE)
    for expect in ("Expect:", "Expect: 100-continue"):
        said = subprocess.run(["curl", "-sSk", version, "--data-binary", f"@{tmp_path}/body", "-H", expect, "-w", " %{http_code}", server.address],
                              capture_output=True, text=True, timeout=30)
        assert said.stdout.split()[-1] == str(server.status), said.stderr
        assert said.returncode == 0, said.stderr


def test_h2load_gets_its_answers(server, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 1_000_000)
    options = [] if server.tls else ["-p", "h2c"]
    said = subprocess.run(["h2load", "-n", "40", "-c", "2", "-m", "4", "-d", str(tmp_path / "body"), *options, server.address],
                          capture_output=True, text=True, timeout=30).stdout
    assert re.search(r"status codes: 0 2xx, 0 3xx, 40 4xx, 0 5xx", said), said


def test_who_sends_all_before_it_reads_gets_its_answer(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain:
        context = ssl._create_unverified_context()
        s = context.wrap_socket(plain) if server.tls else plain
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LARGE)
        for piece in pieces():
            s.sendall(piece)
        came = b""
        while piece := s.recv(1 << 16):
            came += piece
        assert came.startswith(b"HTTP/1.1 %d " % server.status)
        assert b"\r\nconnection: close\r\n" in came.lower()


def test_no_connection_is_left(server):
    """All those connections have gone."""
    def held():
        said = subprocess.run([servers.GIRIN, "ctl", "status", "--json", "--pid", str(server.process.pid)], capture_output=True, text=True)
        return said.stdout
    until(lambda: re.search(r'"connections": ?0\b', held()), 20, held())
