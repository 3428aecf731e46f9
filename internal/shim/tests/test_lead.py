"""Leader and followers: each row of the table in threads.py, and what the
other classes make of the same messages."""
from __future__ import annotations

import os
import time

import master
import pytest
from master import CREDIT, DRAIN, FAILED, LANES, PROMOTE, QUICK, SLOW

# /wait opens a pipe and waits until the test opens its other end.
WAIT = """
    import os, sys, threading
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/wait":
            open(environ["HTTP_PIPE"]).read()
        start_response("200 OK", [])
        return [threading.current_thread().name.encode()]
    """


class Pipe:
    """What a request to /wait waits for."""

    def __init__(self, worker: master.Worker) -> None:
        self.name = os.path.join(worker.folder, f"pipe-{os.urandom(4).hex()}")
        os.mkfifo(self.name)

    def send(self, worker: master.Worker, **kwargs) -> int:
        """Returns when the request waits."""
        id = worker.send("/wait", environ={"HTTP_PIPE": self.name}, **kwargs)
        master.until(lambda: id in worker.running())
        return id

    def open(self) -> None:
        with open(self.name, "w"):
            pass


def test_the_leader_runs_inline_and_keeps_leading(start):
    worker = start(WAIT, cls="gthread", threads=4)
    assert len({worker.get().body for _ in range(20)}) == 1


def test_slow_is_run_by_a_thread_that_does_not_lead(start):
    worker = start(WAIT, cls="gthread", threads=2)
    pipe = Pipe(worker)
    slow = pipe.send(worker, flags=SLOW)
    assert worker.get().status == "200 OK"  # a follower leads now
    pipe.open()
    assert worker.answer(slow).status == "200 OK"


def test_a_worker_full_of_slow_requests_reads_again_when_one_ends(start):
    worker = start(WAIT, cls="gthread", threads=2)
    pipes = [Pipe(worker) for _ in range(2)]
    slow = [pipe.send(worker, flags=SLOW) for pipe in pipes]
    id = worker.send()
    worker.sync()
    assert worker.lane.waiting()
    pipes[0].open()
    assert worker.answer(slow[0]).body
    assert worker.answer(id).body
    pipes[1].open()
    assert worker.answer(slow[1]).body


def test_promote_lets_a_follower_lead(start):
    worker = start(WAIT, cls="gthread", threads=2)
    pipe = Pipe(worker)
    slow = pipe.send(worker)
    id = worker.send()
    worker.sync()
    assert worker.lane.waiting()
    worker.tell(PROMOTE)
    quick = worker.answer(id).body
    pipe.open()
    assert worker.answer(slow).body != quick


def test_promote_without_a_busy_leader_does_nothing(start):
    worker = start(WAIT, cls="gthread", threads=2)
    for _ in range(20):
        worker.tell(PROMOTE)
        assert worker.get().status == "200 OK"
    worker.sync()
    assert worker.drain() == 0


def test_promote_twice_takes_leadership_once(start):
    worker = start(WAIT, cls="gthread", threads=3)
    pipes = [Pipe(worker) for _ in range(2)]
    first = pipes[0].send(worker)
    worker.tell(PROMOTE)
    worker.tell(PROMOTE)
    worker.sync()
    second = pipes[1].send(worker)
    id = worker.send()
    worker.sync()
    assert worker.lane.waiting()
    worker.tell(PROMOTE)
    assert worker.answer(id).status == "200 OK"
    for pipe, id in zip(pipes, (first, second)):
        pipe.open()
        assert worker.answer(id).status == "200 OK"
    assert worker.drain() == 0


def test_promote_of_a_worker_whose_threads_are_all_busy(start):
    worker = start(WAIT, cls="gthread", threads=2)
    pipes = [Pipe(worker) for _ in range(2)]
    first = pipes[0].send(worker)
    worker.tell(PROMOTE)
    second = pipes[1].send(worker)
    worker.tell(PROMOTE)
    worker.sync()
    pipes[0].open()
    assert worker.answer(first).status == "200 OK"
    assert worker.get().status == "200 OK"  # the freed thread took leadership
    pipes[1].open()
    assert worker.answer(second).status == "200 OK"


def test_many_promotions_lose_no_request(start):
    worker = start(WAIT, cls="gthread", threads=4)
    for _ in range(50):
        ids = [worker.send(flags=QUICK) for _ in range(20)]
        for _ in range(5):
            worker.tell(PROMOTE)
        for id in ids:
            assert worker.answer(id).status == "200 OK"
    assert worker.drain() == 0


def test_promote_sends_the_batch(start):
    """A quick route turned slow: what waits for it in the batch goes out."""
    worker = start(WAIT, cls="sync")
    pipe = Pipe(worker)
    first = Pipe(worker)
    blocked = first.send(worker)
    quick = worker.send(flags=QUICK)
    waiting = worker.send("/wait", environ={"HTTP_PIPE": pipe.name}, flags=QUICK)
    first.open()
    master.until(lambda: waiting in worker.running())
    worker.tell(PROMOTE)
    assert worker.answer(blocked).status == worker.answer(quick).status == "200 OK"
    pipe.open()
    assert worker.answer(waiting).status == "200 OK"


@pytest.mark.parametrize("flags", [0, SLOW])
def test_a_quick_answer_does_not_wait_for_what_may_be_slow(start, cls, flags):
    worker = start(WAIT, cls=cls, threads=1)
    first, second = Pipe(worker), Pipe(worker)
    blocked = first.send(worker)
    quick, quick_packet = worker.packet(flags=QUICK)
    slow, slow_packet = worker.packet("/wait", environ={"HTTP_PIPE": second.name}, flags=flags)
    worker.lane.put(quick_packet)
    worker.lane.put(slow_packet)
    first.open()
    assert worker.answer(blocked).status == "200 OK"
    began = time.monotonic()
    assert worker.answer(quick).status == "200 OK"
    assert time.monotonic() - began < 5  # it did not wait for /wait, which nobody opened yet
    second.open()
    assert worker.answer(slow).status == "200 OK"


def test_as_many_run_at_once_as_there_are_slots(start, concurrent):
    worker = start(
        """
        import os, time
        def app(environ, start_response):
            while not os.path.exists(environ["HTTP_GATE"]):
                time.sleep(0.005)
            start_response("200 OK", [])
            return []
        """,
        cls=concurrent,
        threads=4,
        connections=4,
    )
    gates = [os.path.join(worker.folder, name) for name in ("first", "second")]
    batches = [[worker.send(flags=SLOW, environ={"HTTP_GATE": gate}) for _ in range(4)] for gate in gates]
    for gate, batch in zip(gates, batches):
        master.until(lambda: sorted(worker.running()) == batch)
        open(gate, "w").close()
        for id in batch:
            worker.answer(id)


def test_two_workers_share_a_lane(start, cls):
    lane = master.Lane()
    workers = [start(WAIT, cls=cls, threads=1, connections=1, lanes=[lane]) for _ in range(2)]
    pipe = Pipe(workers[0])
    _, packet = workers[0].packet("/wait", environ={"HTTP_PIPE": pipe.name}, id=1)
    lane.put(packet)
    master.until(lambda: any(w.running() for w in workers))
    busy, idle = sorted(workers, key=lambda w: not w.running())
    for id in range(2, 12):
        lane.put(workers[0].packet(id=id)[1])
        assert idle.answer(id).status == "200 OK"
    pipe.open()
    assert busy.answer(1).status == "200 OK"


STREAM = """
    import sys
    class Blocks:
        def __init__(self, count, size):
            self.blocks = iter([b"x" * size] * count)
        def __iter__(self):
            return self.blocks
        def close(self):
            print("closed", file=sys.stderr, flush=True)
    def app(environ, start_response):
        count, size = map(int, environ["QUERY_STRING"].split("*"))
        start_response("200 OK", [])
        return Blocks(count, size) if environ["PATH_INFO"] == "/blocks" else [b"x" * size]
    """


@pytest.mark.parametrize("path", ["/blocks?10*1000", "/list?1*10000"])
def test_credit(start, cls, path):
    worker = start(STREAM, cls=cls, threads=1)
    id = worker.send(path, window=2500)
    size, frames = 0, []
    while size < 10_000:
        allowed = 2500 if not frames else allowed + 2500
        while size < min(allowed, 10_000):
            frames.append(worker.frame(id))
            size += len(frames[-1].body)
            assert size <= allowed
        worker.sync()
        with pytest.raises(TimeoutError):
            if size < 10_000:
                worker.frame(id, timeout=0.05)
            else:
                raise TimeoutError
        worker.tell(CREDIT, 2500, id)
    while not frames[-1].flags & master.FINAL:
        frames.append(worker.frame(id))
    answer = master.Answer(frames)
    assert answer.body == b"x" * 10_000
    assert answer.header("Content-Length") == ("10000" if "list" in path else None)


def test_others_run_while_one_waits_for_credit(start, concurrent):
    worker = start(STREAM, cls=concurrent, threads=2)
    id = worker.send("/blocks?3*1000", window=1000)
    assert len(worker.frame(id).body) == 1000
    assert worker.get("/list?1*5").body == b"xxxxx"
    worker.tell(CREDIT, 5000, id)
    assert len(worker.answer(id).body) == 2000


@pytest.mark.parametrize("window", [1000, 1 << 20])
def test_a_client_that_leaves_ends_the_iteration_and_closes_once(start, cls, window):
    worker = start(STREAM, cls=cls, threads=1)
    id = worker.send("/blocks?1000000*1000", window=window)
    worker.frame(id)
    worker.arena.cancel(id)
    worker.tell(CREDIT, master.CANCELLED, id)
    assert worker.answer(id).frames[-1].kind == FAILED
    master.until(lambda: not worker.running())
    assert worker.drain() == 0
    assert worker.stderr().count("closed") == 1
    with pytest.raises(EOFError):  # nor is an error logged: nothing was thrown into the app
        worker.log()


def test_drain_ends_normally(start, cls):
    worker = start(
        """
        import atexit, sys
        atexit.register(lambda: print("atexit ran", file=sys.stderr))
        def app(environ, start_response):
            open(environ["HTTP_PIPE"]).read()
            start_response("200 OK", [])
            return [b"finished"]
        """,
        cls=cls,
        threads=3,
    )
    pipe = Pipe(worker)
    id = pipe.send(worker)
    worker.tell(DRAIN)
    worker.sync()
    unread = worker.send()
    worker.sync()
    pipe.open()
    assert worker.answer(id).body == b"finished"
    worker.message(master.IDLE)
    assert worker.wait() == 0
    assert worker.lane.waiting(), f"request {unread} was read after Drain"
    assert "atexit ran" in worker.stderr()


def test_drain_while_idle(start, cls):
    worker = start(WAIT, cls=cls, threads=3)
    assert worker.drain() == 0
    assert worker.stderr() == ""


def test_drain_during_the_import(start, cls):
    worker = start("import time; time.sleep(0.2)\n" "app = print", cls=cls, ready=False)
    worker.tell(DRAIN)
    worker.message(master.IDLE)
    assert worker.wait() == 0


def test_lanes(start, cls):
    lanes = [master.Lane(), master.Lane()]
    worker = start(WAIT, cls=cls, threads=2, lanes=lanes)
    _, packet = worker.packet(id=1)
    for mask, reads in ((0b10, {1}), (0b01, {0}), (0, set()), (0b11, {0, 1})):
        worker.tell(LANES, mask)
        worker.sync()
        if not mask:  # the leader sees the change when it wakes; what it reads until then is allowed
            continue
        for i in reads:
            lanes[i].put(packet)
            assert worker.answer(1).status == "200 OK"
    worker.tell(LANES, 0b10)
    worker.sync()
    lanes[1].put(packet)
    worker.answer(1)
    lanes[0].put(packet)
    lanes[1].put(worker.packet(id=2)[1])
    assert worker.answer(2).status == "200 OK"
    assert lanes[0].waiting()
    worker.tell(LANES, 0b01)
    assert worker.answer(1).status == "200 OK"


def test_the_master_is_gone(start, cls):
    worker = start(WAIT, cls=cls, threads=2)
    pipe = Pipe(worker)
    pipe.send(worker)
    worker.control.shutdown(2)
    assert worker.wait(2) == 1


def test_ping_while_the_app_computes(start, cls):
    worker = start(
        """
        import time
        def app(environ, start_response):
            end = time.monotonic() + 1
            while time.monotonic() < end:
                pass
            start_response("200 OK", [])
            return []
        """,
        cls=cls,
    )
    id = worker.send()
    master.until(lambda: worker.running())
    worker.sync()
    assert worker.running() == [id]


def test_stacks(start, cls):
    worker = start(
        """
        import time
        import threading
        def stuck_here():
            time.sleep(60)
        def of_the_app():
            time.sleep(61)
        def app(environ, start_response):
            for i in range(20):
                threading.Thread(target=of_the_app, daemon=True).start()
            stuck_here()
        """,
        cls=cls,
        threads=3,
    )
    id = worker.send()
    master.until(lambda: worker.running())
    worker.sync()

    def stacks():
        worker.tell(master.DUMP, 0, id)
        _, _, about, payload, _ = worker.message(master.STACKS)
        assert about == id
        return payload.decode()

    master.until(lambda: "; and 12 more:" in stacks())  # the app's threads are where they stay
    text = stacks()
    first, *others = text.split("\n\n")
    assert f"request {id}, running for " in first and "in stuck_here" in first and "time.sleep(60)" in first
    assert "<girin>" not in text and "_bootstrap" not in text
    assert text.count("in of_the_app") == 1 and "; and 12 more:" in text
    assert cls != "gthread" or others[-1].startswith("Idle: MainThread; girin-")
    os.kill(worker.pid, worker.ready["dump_signal"])
    master.until(lambda: "most recent call first" in worker.stderr())
