"""A part of a file that is an answer's body, or a part of it."""
from __future__ import annotations

import errno
import os
import stat


class Part:
    """owned says that the descriptor is closed with the part."""

    def __init__(self, fd: int, offset: int, length: int, more: bool, owned: bool) -> None:
        self.fd = fd
        self.offset = offset
        self.length = length
        self.more = more
        self._owned = owned

    @classmethod
    def of_path(cls, message: dict) -> Part:
        """http.response.pathsend: a whole file, whose path is absolute. A pipe's would hold the loop until somebody writes there."""
        fd = os.open(message["path"], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        part = cls(fd, 0, os.fstat(fd).st_size, False, True)
        if not part.regular:
            os.close(fd)
            raise OSError(errno.EINVAL, "this is no regular file", message["path"])
        return part

    @classmethod
    def of_message(cls, message: dict) -> Part:
        """http.response.zerocopysend: a part of an open file, by default from where it stands to its end."""
        file = message["file"]
        fd = file if isinstance(file, int) else file.fileno()
        offset, count = message.get("offset"), message.get("count")
        start = os.lseek(fd, 0, os.SEEK_CUR) if offset is None else offset
        length = max(os.fstat(fd).st_size - start, 0)
        if count is not None:
            length = max(min(count, length), 0)
        if offset is None:
            os.lseek(fd, start + length, os.SEEK_SET)  # as sendfile(2) does: there the next part begins
        return cls(fd, start, length, message.get("more_body", False), False)

    @property
    def regular(self) -> bool:
        return stat.S_ISREG(os.fstat(self.fd).st_mode)

    def read(self, size: int) -> bytes:
        piece = os.pread(self.fd, size, self.offset)
        self.offset += len(piece)
        self.length -= len(piece)
        return piece

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_) -> None:
        if self._owned:
            os.close(self.fd)
