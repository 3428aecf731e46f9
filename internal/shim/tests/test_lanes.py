"""Waiting for packets, with and without epoll and eventfd."""
from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _girin_shim import lanes, wire  # noqa: E402


@pytest.fixture(params=[lanes.EpollPoller, lanes.PollPoller])
def lane(request, monkeypatch):
    """Lanes over one packet pipe, and its write end."""
    if request.param is lanes.PollPoller:
        monkeypatch.delattr(os, "eventfd", raising=False)
    monkeypatch.setattr(lanes, "Poller", request.param)
    read_end, write_end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    monkeypatch.setattr(wire, "LANE_FD", read_end)
    made = lanes.Lanes(1)
    made.select(1)
    yield made, write_end
    made.close()
    try:
        os.close(write_end)
    except OSError:
        pass


def test_one_read_is_one_packet(lane):
    made, write_end = lane
    os.write(write_end, b"one")
    os.write(write_end, b"two")
    assert [made.read(), made.wait(), made.read()] == [b"one", b"two", None]


def test_wait_returns_what_comes_later(lane):
    made, write_end = lane
    later = threading.Timer(0.01, os.write, (write_end, b"later"))
    later.start()
    assert made.wait() == b"later"
    later.join()


def test_stop_ends_waiting_and_reads_nothing(lane):
    made, write_end = lane
    later = threading.Timer(0.01, made.stop)
    later.start()
    assert made.wait() is None
    later.join()
    os.write(write_end, b"unread")
    assert made.wait() is None and made.read() is None
    assert made.first == -1


def test_no_lane_is_read_until_one_is_selected():
    read_end, write_end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "LANE_FD", read_end)
        made = lanes.Lanes(1)
    os.write(write_end, b"kept")
    assert made.read() is None and made.first == -1
    made.select(1)
    assert made.read() == b"kept"
    made.close()
    os.close(write_end)


def test_a_lane_that_is_not_selected_is_not_read(lane):
    made, write_end = lane
    made.select(0)
    os.write(write_end, b"kept")
    assert made.read() is None and made.first == -1
    later = threading.Timer(0.01, made.select, (1,))
    later.start()
    assert made.wait() == b"kept"
    later.join()


def test_many_wakes_do_not_block(lane):
    made, _ = lane
    for _ in range(100_000):
        made.select(1)


def test_who_was_not_woken_notices_a_packet_when_told_to_read_again(monkeypatch):
    """The kernel wakes one for a packet, and that one may be told to stop before it reads."""
    read_end, write_end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    both = []
    for _ in range(2):
        monkeypatch.setattr(wire, "LANE_FD", os.dup(read_end))
        both.append(lanes.Lanes(1))
        both[-1].select(1)
    first, second = both
    first._drain_wake()
    first._poller.watch(first.active)
    got = []
    waiting = threading.Thread(target=lambda: got.append(second.wait()))
    waking = threading.Thread(target=first._poller.wait)
    waking.start()
    time.sleep(0.05)
    waiting.start()
    time.sleep(0.05)
    os.write(write_end, b"left")
    waking.join()
    first.stop()
    second.select(1)
    waiting.join(5)
    assert got == [b"left"]
    for one in both:
        one.close()
    os.close(read_end)
    os.close(write_end)


def test_a_lane_whose_writer_has_gone_is_left(lane):
    made, write_end = lane
    os.close(write_end)
    assert made.read() is None
    assert made.active == ()


def test_processes_that_go_last_take_turns(monkeypatch):
    read_end, write_end = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    got: list[int] = []

    def taker(number: int) -> lanes.Lanes:
        monkeypatch.setattr(wire, "LANE_FD", os.dup(read_end))
        made = lanes.Lanes(1)
        made.select(1)

        def take():
            while made.wait() is not None:
                got.append(number)
                made.go_last()

        threading.Thread(target=take, daemon=True).start()
        return made

    takers = [taker(0), taker(1)]
    for count in range(10):
        time.sleep(0.02)  # both wait
        os.write(write_end, b"packet")
        while len(got) == count:
            time.sleep(0.001)
    for made in takers:
        made.stop()
    assert 3 <= sum(got) <= 7  # without go_last one gets nearly all
    os.close(read_end)
    os.close(write_end)
