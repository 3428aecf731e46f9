"""The classes sync and gthread: leader and followers.

Leadership is a lock. The thread that holds it, the leader, reads packets and
runs them inline, so a quick request costs no thread switch. While it runs one
it makes leadership transferable by putting a token into its slot's held list;
list.pop is atomic, so whoever pops the token decides:

    state      event                      next      what is done
    follower   takes the lock             leader    -
    leader     a packet without Slow      runner    token put into held
    leader     a packet with Slow         worker    batch sent, lock released
    leader     reading has stopped        gone      batch sent, lock released
    runner     app done, token popped     leader    answer stays in the batch
    runner     control thread: Promote    worker    the control thread pops the
                                                    token, sends the batch and
                                                    releases the lock
    runner     waits for credit or body   worker    the thread itself does that
    worker     app done (no token)        follower  answer sent at once

A worker in this table runs a request without leading. Promote finds no token
unless the leader is a runner, and then does nothing. With one slot (sync)
the same happens on the main thread, and released leadership waits for it.
"""
from __future__ import annotations

import os
from _thread import allocate_lock, get_ident
from threading import Thread
from time import monotonic_ns

from . import clientsocket, wire
from .errors import WARNING
from .gil import SwitchInterval
from .runner import Runner
from .slot import Slot

_QUICK, _SLOW = wire.QUICK, wire.SLOW

MAX_BATCH = 32 * 3  # pieces: three per answer
MAX_HELD = 1_000_000  # ns that the oldest answer of a batch may have waited
MAX_HELD_BYTES = 64 << 10  # an answer as large as this is sent at once
TRY_AGAIN = 1_000_000_000  # ns until another thread is tried after one could not be started


class ThreadSlot(Slot):
    """A thread's slot; knows how to give leadership up."""

    def __init__(self, worker, index: int, leadership) -> None:
        super().__init__(worker, index)
        self._leadership = leadership

    def step_down(self) -> bool:
        """Releases leadership if this slot can still decide that; from any thread."""
        try:
            self.held.pop()
        except IndexError:
            return False
        try:
            self.flush()
        except MemoryError:
            self.held.append(True)  # it leads on: nobody else could
            raise
        self.worker.lanes.go_last()
        self._leadership.release()
        return True


class Threads(Runner):
    """Runs requests in one or more threads until the lanes are stopped."""

    def __init__(self, worker) -> None:
        self.modules: dict[str, str] = {}  # versions of the modules that the class needs
        self._worker = worker
        self._leadership = allocate_lock()
        self._leader: ThreadSlot | None = None
        self.slots = self._new_slots(worker.settings.slots)
        # Threads are started as they are needed: there is one that leads, those
        # that run requests, and one to spare that takes over.
        self._threads: list[Thread] = []
        self._spare: list[ThreadSlot] = []  # as many as wait for leadership
        self._not_before = 0  # when the next thread may be tried
        self._interval = SwitchInterval(worker.settings.switch_interval)
        self._working: list[ThreadSlot] = []  # a slot for each thread that has not ended
        self._ended = allocate_lock()  # released by the last of them
        self._ended.acquire()

    def _new_slots(self, count: int) -> list[ThreadSlot]:
        return [ThreadSlot(self._worker, i, self._leadership) for i in range(count)]

    def body_came(self, id: int, fd: int) -> None:
        os.set_blocking(fd, True)  # a pipe's end was the master's
        super().body_came(id, fd)

    def run(self) -> None:
        """Returns after Drain, when all requests have ended.

        A single slot is the main thread's, as in gunicorn's sync worker. With
        several the main thread waits, so that the interpreter ends normally
        and atexit hooks run. It works itself if no thread can be started.
        """
        if len(self.slots) > 1:
            self._add_thread()
        if not self._threads:
            self._work(self.slots[0])
            return
        self._ended.acquire()  # not Thread.join, which takes a thread for ended if a signal's handler raises

    def _run_thread(self, slot: ThreadSlot) -> None:
        self._work(slot)
        self._working.remove(slot)
        if not self._working and not self.abandons:
            self._ended.release()

    def _add_thread(self) -> None:
        """Starts one more thread, if there may be one. Only the leader does this.

        It may be refused (RLIMIT_AS, pids.max): those that there are go on then.
        The threads are no daemons, nor are those that the app starts in them: the
        interpreter waits for these at its end.
        """
        count = len(self._threads)
        if not 1 < len(self.slots) > count or self._worker.lanes.stopped or monotonic_ns() < self._not_before:
            return
        slot = self.slots[count]
        thread = Thread(target=self._run_thread, args=(slot,), name=f"girin-{count + 1}", daemon=False)
        self._threads.append(thread)
        self._working.append(slot)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as e:
            self._threads.pop()
            self._working.remove(slot)
            if not self._not_before:
                text = f"Worker {os.getpid()} goes on with {max(count, 1)} of its {len(self.slots)} threads: {e}"
                self._worker.control.log(WARNING, text)
            self._not_before = monotonic_ns() + TRY_AGAIN

    # What the control thread calls.

    def promote(self) -> None:
        """Takes leadership from a leader that is running a request."""
        leader = self._leader
        if leader is not None:
            leader.step_down()

    def end(self, id: int) -> None:
        """Nothing ends a thread: the master replaces the worker if it does not return."""

    def drain(self) -> None:
        self._worker.lanes.stop()
        clientsocket.end_all(self._worker.exchanges)

    def select(self, mask: int) -> None:
        self._worker.lanes.select(mask)

    def quit(self, hastens: bool) -> None:
        """What other threads run ends by itself, but not if the server ends at once."""
        if hastens and self._working and self._ended.locked():
            self.abandons = True
            self._ended.release()

    def _work(self, slot: ThreadSlot) -> None:
        slot.ident = get_ident()
        try:
            while True:
                self._spare.append(slot)
                self._acquire()
                self._spare.pop()
                self._leader = slot
                self._interval.suit(len(self._threads) - len(self._spare))
                if not self._spare:
                    self._add_thread()
                if not self._keep_leading(slot):
                    return
        except BaseException as e:
            self._worker.fatal(e)

    def _acquire(self) -> None:
        while True:
            try:
                self._leadership.acquire()
                return
            except BaseException as e:
                self._worker.survive(e)

    def _keep_leading(self, slot: ThreadSlot) -> bool:
        """As _lead. What a signal's handler raises between two requests ends nothing."""
        while True:
            try:
                return self._lead(slot)
            except BaseException as e:
                self._worker.survive(e)
                if self._worker.page[slot.cell]:
                    raise  # of the request that runs, or of its answer, something may be missing
                if not self._leadership.locked():
                    return True

    def _lead(self, slot: ThreadSlot) -> bool:
        """Leads until leadership is lost; False: reading has stopped."""
        worker = self._worker
        lanes, page, flush = worker.lanes, worker.page, worker.response.flush
        out, held, cell, serve = slot.out, slot.held, slot.cell, slot.serve
        read, unpack, now = os.read, wire.REQUEST.unpack_from, monotonic_ns
        oldest = 0
        while True:
            try:
                packet = read(lanes.first, 4096)
            except OSError:  # the lane is empty, or there is none to read first
                packet = b""
            if not packet:
                packet = lanes.read() if len(lanes.active) > 1 else None
                if packet is None:
                    if out:
                        flush(out)
                    packet = lanes.wait()
                    if packet is None:
                        self._leadership.release()
                        return False
            head = unpack(packet)
            began = now()
            page[cell + 1] = began
            page[cell] = head[5]
            if worker.lifetime:
                worker.count(head[5])
            flags = head[1]
            if flags & _SLOW:
                if out:
                    flush(out)
                lanes.go_last()
                self._leadership.release()
                serve(packet, head, began)
                if out:
                    flush(out)
                page[cell] = 0
                return True
            if out:
                if not flags & _QUICK or began - oldest > MAX_HELD or len(out) >= MAX_BATCH:
                    flush(out)
                    oldest = began
            else:
                oldest = began
            held.append(True)
            serve(packet, head, began)
            page[cell] = 0
            try:
                held.pop()
            except IndexError:
                if out:
                    flush(out)
                return True
            if out and len(out[-1]) > MAX_HELD_BYTES:
                flush(out)
