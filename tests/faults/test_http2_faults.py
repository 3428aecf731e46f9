"""HTTP/2 and TLS.

Floods, malformed frames, and clients that read slowly.
"""
from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time

import httpx
import pytest

import procs
import raw
from asgi_server import make_certificate
from load import p99

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = b"\x82\x84\x86\x41\x01x"  # GET / http x, by HPACK
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, AWAY, WINDOW, CONTINUATION = range(10)
CALM = 11  # ENHANCE_YOUR_CALM
CLEAR = ("--http2-cleartext", "prior-knowledge")


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def request(stream: int, ends: bool = True) -> bytes:
    return frame(HEADERS, stream, GET, 0x4 | ends)


def begin(port: int) -> socket.socket:
    s = raw.connect(port, 20)
    s.sendall(PREFACE + frame(SETTINGS))
    return s


def ended_with(s: socket.socket, resets: bool = True) -> str:
    """How the server ended a connection or, with resets, a stream before it: the code of GOAWAY or RST_STREAM."""
    buffer = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := s.recv(1 << 16):
            buffer += piece
            while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
                size = 9 + int.from_bytes(buffer[:3], "big")
                kind, payload = buffer[3], bytes(buffer[9:size])
                del buffer[:size]
                if kind == AWAY:
                    return f"GOAWAY {struct.unpack('>I', payload[4:8])[0]}"
                if kind == RESET and resets:
                    return f"RST_STREAM {struct.unpack('>I', payload[:4])[0]}"
    return "nothing"


MOST = 1_000_000  # frames; what the kernel takes of them while the server does not read is no more

FLOODS = {  # what is sent again and again, for the nth time
    "PING": lambda n: frame(PING, 0, bytes(8)),
    "SETTINGS": lambda n: frame(SETTINGS),
    "PRIORITY": lambda n: frame(PRIORITY, 1, bytes(5)),
    "resets": lambda n: request(2 * n + 1, False) + frame(RESET, 2 * n + 1, bytes(4)),
    "empty DATA": lambda n: (request(1, False) if not n else b"") + frame(DATA, 1),
    "empty CONTINUATION": lambda n: frame(HEADERS, 1, GET) if not n else frame(CONTINUATION, 1),
    "windows": lambda n: frame(WINDOW, 0, b"\0\0\0\1"),
    "unknown frames": lambda n: frame(99, 0, b"x"),
}


@pytest.mark.promise("Floods of HTTP/2 frames that do nothing end their connection, and a normal client does not notice them",
                     f"as many as it takes of {', '.join(FLOODS)}, each on connections of its own; meanwhile one client asks again and again")
def test_http2_floods(girin, measured, full):
    with girin("gthread", 2, 4, *CLEAR) as run:
        quiet = p99(run.port, 500)
        before, most = procs.resident(run.process.pid), 0
        for name, flood in FLOODS.items():
            with begin(run.port) as s:
                s.settimeout(20)
                sent = 0
                with contextlib.suppress(ConnectionError):
                    while sent < MOST:
                        s.sendall(b"".join(flood(sent + i) for i in range(100)))
                        sent += 100
                came = ended_with(s, resets=False)
                assert came in (f"GOAWAY {CALM}", "nothing") and sent < MOST, (name, came, sent)  # nothing: it was reset meanwhile
                most = max(most, sent)
        beside = p99(run.port, 500)
        assert beside < 2 * quiet + (15 if full else 100)  # ms; make test runs beside other things
        grown = (procs.resident(run.process.pid) - before) >> 20
        assert grown < 64
        measured.girin(f"{len(FLOODS)} of {len(FLOODS)} were sent away (ENHANCE_YOUR_CALM), with at most {most:,} frames on their way; "
                       f"afterwards p99 {beside:.1f} ms (before: {quiet:.1f} ms), the master took {max(grown, 0)} MiB more")


MALFORMED = {  # what is sent, and how it ends
    "a preface that is none": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", None),
    "a frame beyond its size": (frame(DATA, 1, bytes(16385)), "GOAWAY 6"),
    "a PING of 7 bytes": (frame(PING, 0, bytes(7)), "GOAWAY 6"),
    "SETTINGS of 5 bytes": (frame(SETTINGS, 0, bytes(5)), "GOAWAY 6"),
    "DATA without a stream": (frame(DATA, 0, b"x"), "GOAWAY 1"),
    "DATA for a stream that is idle": (frame(DATA, 5, b"x"), "GOAWAY 1"),
    "more padding than frame": (request(1, False) + frame(DATA, 1, b"\xffx", 0x8), "GOAWAY 1"),
    "a stream of an even number": (request(2), "GOAWAY 1"),
    "a window of 0": (frame(WINDOW, 0, bytes(4)), "GOAWAY 1"),
    "a window beyond 2^31-1": (frame(WINDOW, 0, b"\x7f\xff\xff\xff"), "GOAWAY 3"),
    "a push": (request(1, False) + frame(PUSH, 1, bytes(4)), "GOAWAY 1"),
    "a block that is no HPACK": (frame(HEADERS, 1, b"\xff" * 20, 0x5), "GOAWAY 9"),
    "a body that is not as long as it says": (frame(HEADERS, 1, GET.replace(b"\x82", b"\x83") + b"\x0f\x0d\x019", 0x4) + frame(DATA, 1, b"four", 0x1), "RST_STREAM 1"),
    "a field of a connection": (frame(HEADERS, 1, GET + b"\x00\x0aconnection\x05close", 0x5), "RST_STREAM 1"),
    "no path": (frame(HEADERS, 1, b"\x82\x86\x41\x01x", 0x5), "RST_STREAM 1"),
}


@pytest.mark.promise("Malformed HTTP/2 is answered as RFC 9113 says, and reaches no application", f"{', '.join(MALFORMED)}; after each a request on a new connection")
def test_http2_malformed(girin, record, measured):
    with girin("gthread", 1, 2, *CLEAR) as run:
        began = len(record.lines("B"))
        for number, (name, (sent, wanted)) in enumerate(MALFORMED.items(), 1):
            s = raw.connect(run.port, 20) if wanted is None else begin(run.port)
            with s:
                s.sendall(sent)
                came = ended_with(s) if wanted else ("closed" if raw.read_to_end(s).status != 200 else "answered")
            assert came == (wanted or "closed"), name
            with httpx.Client(http1=False, http2=True, timeout=10) as client:
                assert client.get(f"http://127.0.0.1:{run.port}/").status_code == 200
            assert len(record.lines("B")) == began + number, name
        measured.girin(f"{len(MALFORMED)} of {len(MALFORMED)}: a stream's fault reset it, a connection's was told by GOAWAY")


@pytest.mark.full
@pytest.mark.promise("A download that moves is not cut, however slow it is", "10 clients over TLS read 1 MB at 12 KB/s, longer than any deadline of 60 s; five of HTTP/1.1, five of HTTP/2")
def test_slow_tls_downloads(girin, measured, tmp_path):
    certificate = make_certificate(tmp_path)
    options = "--certfile", str(certificate / "cert.pem"), "--keyfile", str(certificate / "key.pem"), "--http-protocols", "h2,h1"
    size = 1_000_000
    with girin("gthread", 2, 4, *options) as run, contextlib.ExitStack() as stack:
        readers = []
        for version in ("http/1.1", "h2") * 5:
            context = ssl._create_unverified_context()
            context.set_alpn_protocols([version])
            plain = stack.enter_context(raw.connect(run.port, 20, receive_buffer=8192))
            s = stack.enter_context(context.wrap_socket(plain))
            assert s.selected_alpn_protocol() == version
            path = f"/bytes?count={size}".encode()
            if version == "h2":
                window = frame(SETTINGS, 0, b"\0\4" + size.to_bytes(4, "big")) + frame(WINDOW, 0, size.to_bytes(4, "big"))
                s.sendall(PREFACE + window + frame(HEADERS, 1, b"\x82\x87\x41\x01x\x04" + bytes([len(path)]) + path, 0x5))
            else:
                s.sendall(raw.head(path.decode(), "Connection: close"))
            readers.append([s, 0])
        began = time.monotonic()
        while any(got < size for _, got in readers):
            for reader in readers:
                if reader[1] < size:
                    piece = reader[0].recv(3000)
                    assert piece, f"cut after {reader[1]} bytes and {time.monotonic() - began:.0f} s"
                    reader[1] += len(piece)
            time.sleep(max(0.0, began + max(got for _, got in readers) / 12_000 - time.monotonic()))
        took = time.monotonic() - began
        assert took > 65
        measured.girin(f"10 of 10 whole after {took:.0f} s")


@pytest.mark.promise("An answer before its body was read reaches its client", "httpx, which sends all first, posts 3 MB to a server that takes 1 MB; HTTP/1.1 and HTTP/2")
def test_early_answers_reach_httpx(girin, measured):
    with girin("gthread", 1, 2, "--limit-request-body", "1M", *CLEAR) as run:
        for http2 in (False, True):
            with httpx.Client(http1=not http2, http2=http2, timeout=20) as client:
                for _ in range(3):
                    assert client.post(f"http://127.0.0.1:{run.port}/body", content=b"x" * 3_000_000).status_code == 413
        measured.girin("413 for each")
