"""Bodies over HTTP/2 are with the application while they come, as over HTTP/1.1."""
import contextlib
import socket

import h2.config
import h2.connection
import h2.events
import pytest

import asgi_server
import servers
from waiting import until

KINDS = {
    "asgi": ("uploads:asgi", "-k", "asgi"),
    "asgi, Python": ("uploads:asgi", "-k", "asgi", "--no-accelerator"),
    "gthread": ("uploads:wsgi", "-k", "gthread", "--threads", "4", "--stream-requests", "*"),
    "auto": ("uploads:wsgi", "--stream-requests", "*"),
}


@pytest.fixture(scope="module", params=KINDS)
def server(request):
    app, *options = KINDS[request.param]
    command = servers.girin_auto("-w", "1", "--http2-cleartext", "prior-knowledge", *options)
    with servers.running(command, app, asgi_server.APPS) as run:
        yield run


class Client:
    """One connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.came, self.over = {}, {}

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def begin(self, method, *fields, end=False):
        stream = self.h2.get_next_available_stream_id()
        self.came[stream], self.over[stream] = b"", ""
        self.h2.send_headers(stream, [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", "/"), *fields], end_stream=end)
        self.flush()
        return stream

    def send(self, stream, data, end=False):
        self.h2.send_data(stream, data, end_stream=end)
        self.flush()

    def read(self):
        data = self.socket.recv(1 << 16)
        assert data, "the server has closed"
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self.came[event.stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.over[event.stream_id] = "ended"
            elif isinstance(event, h2.events.StreamReset):
                self.over[event.stream_id] = self.over[event.stream_id] or "reset"
        self.flush()

    def get(self):
        stream = self.begin("GET", end=True)
        while not self.over[stream]:
            self.read()
        return self.came[stream].decode()


@pytest.fixture
def client(server):
    client = Client(server.port)
    with contextlib.closing(client.socket):
        yield client


@pytest.mark.parametrize("fields", [(), (("content-length", "80000"),)], ids=["no length", "length"])
def test_each_piece_comes_back_before_the_next_is_sent(client, fields):
    stream = client.begin("POST", *fields)
    sent = b""
    for _ in range(8):
        piece = b"x" * 9_999 + b"\n"
        client.send(stream, piece)
        sent += piece
        while client.came[stream] != sent:
            client.read()
            assert not client.over[stream]
    client.send(stream, b"", end=True)
    while not client.over[stream]:
        client.read()
    assert client.over[stream] == "ended" and client.came[stream] == sent


def test_who_leaves_in_the_middle_is_told_to_the_app(client):
    before = client.get().count("http.disconnect")
    stream = client.begin("POST")
    client.send(stream, b"one\n")
    while not client.came[stream]:
        client.read()
    client.h2.reset_stream(stream)
    client.flush()
    until(lambda: client.get().count("http.disconnect") > before, 20)


def test_a_body_that_is_shorter_than_it_says_resets_its_stream(client):
    before = client.get().count("http.disconnect")
    stream = client.begin("POST", ("content-length", "80000"))
    client.send(stream, b"one\n")
    while not client.came[stream]:
        client.read()
    client.send(stream, b"", end=True)
    while not client.over[stream]:
        client.read()
    assert client.over[stream] == "reset"
    until(lambda: client.get().count("http.disconnect") > before, 20)
