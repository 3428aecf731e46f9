"""What the master sends for sockets, cut into frames however it comes."""
from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _girin_shim.asgi.inbound import Inbound  # noqa: E402

GOLDEN = json.loads((Path(__file__).resolve().parent.parent.parent / "wire" / "testdata" / "golden.json").read_text())["inbound"]


class Frames(list):
    def incoming(self, *frame) -> None:
        self.append(frame)


@pytest.mark.parametrize("step", [1, 3, 19, 20, 21, 1000])
def test_frames(step):
    master, worker = socket.socketpair()
    with master, worker:
        frames = Frames()
        inbound = Inbound(worker.fileno(), frames)
        inbound.read()  # nothing is there
        stream = b"".join(bytes.fromhex(g["hex"]) for g in GOLDEN)
        for at in range(0, len(stream), step):
            master.sendall(stream[at : at + step])
            inbound.read()
        assert frames == [(g["kind"], g["id"], g["code"], g["data"].encode("latin-1")) for g in GOLDEN]


def test_a_large_message():
    master, worker = socket.socketpair()
    with master, worker:
        frames = Frames()
        inbound = Inbound(worker.fileno(), frames)
        data = bytes(range(256)) * 8192
        stream = memoryview(bytes.fromhex("01000100000000000000200000000000" "04000000") + data + bytes.fromhex(GOLDEN[0]["hex"]))
        while stream:
            stream = stream[master.send(stream[:65536]) :]
            inbound.read()
        while len(frames) < 2:
            inbound.read()
        assert frames[0] == (4, 65537, 0, data) and frames[1][0] == 3
