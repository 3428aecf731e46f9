"""Trailers and the extension tls on a live server, in the clear, by TLS and HTTP/2, the shim in C and in Python."""
import json
import ssl
import subprocess
import sys
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from websockets.sync.client import connect

import asgi_server
from waiting import until

sys.path.insert(0, str(Path(__file__).parent / "faults"))
import raw  # noqa: E402

ANNOUNCED = {"http.response.early_hint", "http.response.pathsend", "http.response.trailers", "http.response.zerocopysend"}
BODIES = {"trailers": b"part." * 3 + b"end", "large": b"x" * 4_000_000, "empty": b"", "length": b"four", "none": b"none", "forgotten": b"forgotten"}
TRAILERS = {"trailers": {"x-sum": "1", "x-more": "2"}, "large": {"x-sum": "4000000"}, "empty": {"x-sum": "0"}, "length": {"x-sum": "4"}, "none": {}, "forgotten": {}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A certificate of the server's, and one of a client's that signs itself."""
    made = asgi_server.make_certificate(tmp_path_factory.mktemp("certificates"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/O=Girin/CN=a client",
                    "-addext", "extendedKeyUsage=clientAuth", "-keyout", made / "client.key", "-out", made / "client.pem"], check=True, capture_output=True)
    return made


@pytest.fixture(scope="module", params=[(t, s) for t in asgi_server.TRANSPORTS for s in ("C", "Python")], ids="-".join)
def server(request, folder):
    transport, shim = request.param
    options = ["--no-accelerator"] if shim == "Python" else []
    if transport != "clear":
        options += ["--ca-certs", str(folder / "client.pem"), "--cert-reqs", "1"]
    with asgi_server.serving(*options, transport=transport, app="extensions:app", certificate=folder) as served:
        yield served


def secure(protocol, certificate=None):
    context = ssl._create_unverified_context()
    context.set_alpn_protocols([protocol])
    if certificate is not None:
        context.load_cert_chain(certificate / "client.pem", certificate / "client.key")
    return context


def ask(server, path, *fields, certificate=None, method="GET"):
    """The fields of the head, the body and the trailers."""
    s = raw.connect(server.port)
    if server.transport == "h2":
        with secure("h2", certificate).wrap_socket(s) as s:
            return by_http2(s, path, method)
    if server.transport == "tls":
        s = secure("http/1.1", certificate).wrap_socket(s)
    with s:
        s.sendall(raw.head(path, "Connection: close", *fields, method=method))
        with s.makefile("rb") as file:
            return by_http1(file, method)


def lines(file):
    """Fields up to an empty line."""
    fields = {}
    while line := file.readline().strip():
        name, _, value = line.decode().partition(":")
        fields[name.lower()] = value.strip()
    return fields


def by_http1(file, method):
    assert file.readline().startswith(b"HTTP/1.1 200 ")
    head = lines(file)
    if method == "HEAD" or "chunked" not in head.get("transfer-encoding", ""):
        return head, file.read(), None
    body = b""
    while size := int(file.readline(), 16):
        body += file.read(size)
        file.readline()
    trailers = lines(file)
    assert not file.read()
    return head, body, trailers


def by_http2(s, path, method):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    connection.send_headers(1, [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)], end_stream=True)
    head, body, trailers = None, b"", {}
    while True:
        s.sendall(connection.data_to_send())
        for event in connection.receive_data(s.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                head = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.TrailersReceived):
                trailers = dict(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                return head, body, trailers
            assert not isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)), event


@pytest.mark.parametrize("name", BODIES)
def test_trailers(server, name):
    head, body, trailers = ask(server, f"/{name}", "TE: gzip;q=0.5, trailers")
    assert body == BODIES[name] and head["trailer"] == "x-sum"
    if server.transport != "h2" and name == "length":
        assert trailers is None  # no chunk is there for them to follow
    else:
        assert trailers == TRAILERS[name]
    if name == "forgotten":
        until(lambda: "without the trailers" in server.log())  # it is told after the answer


def test_trailers_that_nobody_asked_for(server):
    """HTTP/1.1 gives them to who said so; each client of HTTP/2 can take them."""
    _, body, trailers = ask(server, "/trailers")
    assert body == BODIES["trailers"] and trailers == (TRAILERS["trailers"] if server.transport == "h2" else {})


def test_head_has_none(server):
    _, body, trailers = ask(server, "/trailers", "TE: trailers", method="HEAD")
    assert body == b"" and not trailers


def test_http_1_0_has_none(server):
    if server.transport != "clear":
        return
    with raw.connect(server.port) as s:
        s.sendall(b"GET /trailers HTTP/1.0\r\nTE: trailers\r\n\r\n")
        assert raw.read_to_end(s).data.endswith(b"\r\n\r\n" + BODIES["trailers"])


def pem(path: Path) -> str:
    text = path.read_text()
    return text[text.index("-----BEGIN") :]


@pytest.mark.parametrize("with_certificate", [False, True])
def test_what_is_announced(server, folder, with_certificate):
    _, body, _ = ask(server, "/", certificate=folder if with_certificate else None)
    told = json.loads(body)
    tls = told.pop("tls", None)
    assert set(told) == ANNOUNCED
    assert not any(told.values())
    if server.transport == "clear":
        assert tls is None
        return
    assert tls["server_cert"] == pem(folder / "cert.pem")
    assert tls["client_cert_chain"] == ([pem(folder / "client.pem")] if with_certificate else [])
    assert tls["client_cert_name"] == ("CN=a client,O=Girin" if with_certificate else None)
    assert tls["client_cert_error"] is None
    assert tls["tls_version"] == 0x0304 and tls["cipher_suite"] in (0x1301, 0x1302, 0x1303)


def test_a_websocket_has_the_same(server, folder):
    if server.transport == "h2":
        return
    url = f"{'ws' if server.transport == 'clear' else 'wss'}://127.0.0.1:{server.port}/"
    context = secure("http/1.1") if server.transport == "tls" else None
    with connect(url, ssl=context) as ws:
        told = json.loads(ws.recv(timeout=10))
    assert set(told) == {"websocket.http.response"} | ({"tls"} if server.transport == "tls" else set())
    assert told["websocket.http.response"] == {}
    if "tls" in told:
        assert told["tls"]["server_cert"] == pem(folder / "cert.pem")


def test_what_an_app_notes_in_them_no_later_request_sees(server, folder):
    for _ in range(2):
        test_what_is_announced(server, folder, False)
        test_a_websocket_has_the_same(server, folder)
