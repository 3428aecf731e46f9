"""What is done where there is no memory, or no descriptor is left: they may be there again in a moment."""
from __future__ import annotations

import errno
import io
import os
from time import sleep  # taken before gevent replaces it

SHORT_OF_MEMORY = (errno.ENOBUFS, errno.ENOMEM)  # of the kernel
SHORT_WAIT = 0.001  # s
_TRIES = 500
LEFT_OUT = -2  # in place of a descriptor: the kernel left it out, as this process may have no more


def no_descriptor() -> OSError:
    """What an app is told that reads a body for which its process had no descriptor left."""
    return OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)}: the request's body cannot be opened")


class NoFile(io.RawIOBase):
    """Stands for the file of such a body."""

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        raise no_descriptor()

    def readinto(self, buffer) -> int:
        raise no_descriptor()


def patiently(function, *arguments):
    """Calls function, again and again while there is no memory for it; for half a second."""
    for _ in range(_TRIES):
        try:
            return function(*arguments)
        except MemoryError:
            sleep(SHORT_WAIT)
    return function(*arguments)
