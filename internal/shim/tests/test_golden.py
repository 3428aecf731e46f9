"""The frames that the Go tests of package wire check, read by the shim's codec."""
from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
GOLDEN = json.loads((HERE.parent.parent / "wire" / "testdata" / "golden.json").read_text())


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, HERE.parent / "_girin_shim" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


wire = _load("wire")


def each(kind: str):
    return pytest.mark.parametrize("golden", GOLDEN[kind], ids=[g["name"] for g in GOLDEN[kind]])


@each("requests")
def test_requests(golden):
    packet = bytes.fromhex(golden["hex"])
    form, flags, base, reserved, window, id, environ_size, body_size, at = wire.REQUEST.unpack_from(packet)
    assert (form, flags, base, reserved) == (golden["form"], golden["flags"], golden["base"], 0)
    assert (window, id, at) == (golden["window"], golden["id"], golden["at"])
    if flags & wire.IN_ARENA:
        assert len(packet) == wire.REQUEST_HEAD
        return
    end = wire.REQUEST_HEAD + environ_size
    decode = wire.joined_environ if form == wire.JOINED else wire.lengths_environ
    assert decode(packet[wire.REQUEST_HEAD : end]) == dict(golden["environ"])
    assert packet[end:] == golden["body"].encode("latin-1")
    assert len(packet) == end + body_size


@each("frames")
def test_frames(golden):
    head = "\0".join(golden["head"] or []).encode("latin-1")
    body = golden["body"].encode("latin-1")
    fields = len(golden["head"] or []) // 2
    times = (golden["began"], golden["service"], golden["cpu"])
    sizes = (len(head), len(body), golden["kind"], golden["flags"], fields)
    assert (wire.FRAME.pack(golden["id"], *times, *sizes) + head + body).hex() == golden["hex"]


@each("controls")
def test_controls(golden):
    payload = golden["payload"].encode("latin-1")
    assert (wire.CONTROL.pack(golden["op"], golden["n"], golden["id"]) + payload).hex() == golden["hex"]
    assert wire.CONTROL.unpack_from(bytes.fromhex(golden["hex"])) == (golden["op"], golden["n"], golden["id"])


@pytest.mark.parametrize("block", [b"", b"a", b"a\0b\0c"])
def test_joined_environ_refuses_what_does_not_pair(block):
    with pytest.raises(wire.ProtocolError):
        wire.joined_environ(block)


@pytest.mark.parametrize("block", [b"\1\0\0\0a", b"\5\0\0\0a", b"\1\0\0", b"\0\0\0\0\xff\xff\xff\xff"])
def test_lengths_environ_refuses_what_does_not_fit(block):
    with pytest.raises(wire.ProtocolError):
        wire.lengths_environ(block)
