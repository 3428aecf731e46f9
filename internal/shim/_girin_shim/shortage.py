"""What is done where there is no memory: it may be there again in a moment."""
from __future__ import annotations

import errno
from time import sleep  # taken before gevent replaces it

SHORT_OF_MEMORY = (errno.ENOBUFS, errno.ENOMEM)  # of the kernel
SHORT_WAIT = 0.001  # s
_TRIES = 500


def patiently(function, *arguments):
    """Calls function, again and again while there is no memory for it; for half a second."""
    for _ in range(_TRIES):
        try:
            return function(*arguments)
        except MemoryError:
            sleep(SHORT_WAIT)
    return function(*arguments)
