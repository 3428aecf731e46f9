"""wsgi.file_wrapper, and which of its files the master can send itself."""
from __future__ import annotations

import io
import os
import stat


class FileWrapper:
    """Iterates a file-like object in blocks (PEP 3333, "Optional Platform-Specific File Handling")."""

    def __init__(self, filelike, blksize: int = 8192) -> None:
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self) -> bytes:
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration

    def __getitem__(self, key) -> bytes:
        """The next block, whatever the key: gunicorn's wrapper is read so, and an app may do it itself."""
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise IndexError


def regular_file(filelike) -> tuple[int, int, int] | None:
    """Returns descriptor, offset and remaining size of a plain open file.

    Only the io module's own classes are trusted: a GzipFile, for one, has a
    fileno() too, but its bytes are not those of the descriptor.
    """
    filelike = getattr(filelike, "file", filelike)  # tempfile's wrapper
    if type(filelike) not in (io.FileIO, io.BufferedReader, io.BufferedRandom):
        return None
    if type(getattr(filelike, "raw", filelike)) is not io.FileIO:
        return None
    try:
        if filelike.writable():
            filelike.flush()
        fd = filelike.fileno()
        status = os.fstat(fd)
        offset = filelike.tell()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return fd, offset, max(0, status.st_size - offset)
