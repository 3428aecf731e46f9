"""The read ends of the packet pipes, and waiting for one of them.

Whoever reads next - one thread at a time, the leader - calls wait(); the
control thread calls select() and stop(), and wakes it through a descriptor.
A thread in a blocking read could not be stopped without losing what it reads
at that moment, so nothing here ever blocks in read.
"""
from __future__ import annotations

import os
import select

from . import wire

read = os.read
# Taken now: gevent removes epoll from the module.
_epoll = getattr(select, "epoll", None)
_EPOLLIN = getattr(select, "EPOLLIN", 0)
_EPOLLEXCLUSIVE = getattr(select, "EPOLLEXCLUSIVE", 0)


class Lanes:
    """first is the lane to try first, or -1 when none is to be read.

    At first none is: the master may not want this worker any more when it is
    ready, and ends it then.
    """

    def __init__(self, count: int) -> None:
        self._all = tuple(_own(wire.LANE_FD + i) for i in range(count))
        self.active: tuple[int, ...] = ()
        self.first = -1
        self.stopped = False
        self._wake_in, self._wake_out = _wake_pair()
        self._poller = Poller(self._wake_in)
        # For the accelerator, which waits itself as long as watched is active.
        self.epoll_fd, self.wake_fd = self._poller.fileno(), self._wake_in
        self.watched: tuple[int, ...] | None = None  # what is in the epoll, unless it is to be put there anew

    def descriptors(self) -> set[int]:
        return {*self._all, self._wake_in, self._wake_out, self.epoll_fd} - {-1}

    def select(self, mask: int) -> None:
        """Reads from now on the lanes whose bit is set."""
        if not self.stopped:
            self._set(tuple(fd for i, fd in enumerate(self._all) if mask >> i & 1))

    def stop(self) -> None:
        """Reads no more, for good."""
        self.stopped = True
        self._set(())

    def _set(self, active: tuple[int, ...]) -> None:
        self.active = active
        self.first = active[0] if active else -1
        try:
            os.write(self._wake_out, b"\1\0\0\0\0\0\0\0")
        except BlockingIOError:
            pass  # so many wakes are unread that one more changes nothing

    def read(self) -> bytes | None:
        """Returns the next packet, or None if no lane holds one now."""
        for lane in self.active:
            try:
                packet = read(lane, wire.MAX_PACKET)
            except BlockingIOError:
                continue
            if packet:
                return packet
            self._closed(lane)
        return None

    def wait(self) -> bytes | None:
        """Waits for the next packet; None: there will be none."""
        while not self.stopped:
            if self.watched is not self.active:
                self.watched = self.active
                self._poller.watch(self.watched)
            if self._poller.wait():
                self._drain_wake()
            packet = self.read()
            if packet is not None:
                return packet
        return None

    def go_last(self) -> None:
        """Lets other processes have the next packets, if they wait for some too:
        requests that run here would compete with those for the GIL.

        Of those that wait for a pipe the kernel wakes the one whose epoll has
        watched it longest, always the same without this.
        """
        self.watched = None

    def _closed(self, lane: int) -> None:
        """The master closed this lane's write end."""
        self.active = tuple(fd for fd in self.active if fd != lane)
        self.first = self.active[0] if self.active else -1

    def _drain_wake(self) -> None:
        try:
            read(self._wake_in, 4096)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Closes all descriptors, in a forked child."""
        self.stopped = True
        self.active, self.first = (), -1
        self._poller.close()
        for fd in {*self._all, self._wake_in, self._wake_out}:
            os.close(fd)


class EpollPoller:
    """Waits in epoll with EPOLLEXCLUSIVE: a packet wakes one worker, not all."""

    def __init__(self, wake: int) -> None:
        self._wake = wake
        self._epoll = _epoll()
        self._epoll.register(wake, _EPOLLIN)
        self._registered: tuple[int, ...] = ()

    def watch(self, lanes: tuple[int, ...]) -> None:
        """Waits for these from now on, behind who waits for them already."""
        for fd in self._registered:
            self._epoll.unregister(fd)
        for fd in lanes:
            self._epoll.register(fd, _EPOLLIN | _EPOLLEXCLUSIVE)
        self._registered = lanes

    def wait(self) -> bool:
        """Returns when a lane can be read or, then true, when woken."""
        ready = self._epoll.poll()
        return any(fd == self._wake for fd, _ in ready)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()


class PollPoller:
    """The same by poll, where there is no epoll (macOS)."""

    def __init__(self, wake: int) -> None:
        self._wake = wake
        self._lanes: tuple[int, ...] = ()

    def watch(self, lanes: tuple[int, ...]) -> None:
        self._lanes = lanes

    def wait(self) -> bool:
        poll = select.poll()
        for fd in (self._wake, *self._lanes):
            poll.register(fd, select.POLLIN)
        return any(fd == self._wake for fd, _ in poll.poll())

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


Poller = EpollPoller if _epoll else PollPoller


def _own(fd: int) -> int:
    """Opens the lane anew, so that O_NONBLOCK is this worker's alone.

    Where that is not possible (no /proc; a pipe made by another user) all
    readers share the description, which is as good: none of them blocks.
    """
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        os.set_blocking(fd, False)
        return fd
    os.close(fd)
    return own


def _wake_pair() -> tuple[int, int]:
    """Descriptors to wait on and to wake with: an eventfd (3.10) or a pipe."""
    if hasattr(os, "eventfd"):
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return fd, fd
    ends = os.pipe()
    for fd in ends:
        os.set_blocking(fd, False)
    return ends
