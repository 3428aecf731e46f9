"""The memory that this worker shares with the master: page and arena."""
from __future__ import annotations

import mmap
import os

from . import wire


def state_page(fd: int, slots: int) -> memoryview:
    """Maps the state page as cells of u64 and checks that it has so many slots."""
    cells = memoryview(mmap.mmap(fd, 0)).cast("Q")
    if cells[0] != wire.PAGE_MAGIC or cells[1] < slots:
        raise wire.ProtocolError(f"state page of {cells[1]} slots, magic {cells[0]:#x}: {slots} slots are needed")
    return cells


def cell(slot: int) -> int:
    """The cell of a slot's request id; when it began follows in the next."""
    return wire.PAGE_FIRST_SLOT + 2 * slot


class Arena:
    """Reads requests that are larger than a packet; its start is the flag table."""

    def __init__(self, fd: int) -> None:
        self.view = memoryview(mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ))
        if len(self.view) <= wire.FLAG_MASK:
            raise wire.ProtocolError(f"arena of {len(self.view)} bytes is smaller than the flag table")
        self.flags = self.view[: wire.FLAG_MASK + 1]

    def copy(self, at: int, length: int) -> bytes:
        if at + length > len(self.view):
            raise wire.ProtocolError(f"request of {length} bytes at {at} lies outside the arena")
        return bytes(self.view[at : at + length])
