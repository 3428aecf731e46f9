"""Keeps the code of compiled modules for the next start: a file of this user's alone, for each
archive and each Python. Nothing depends on it; where it cannot be written, nothing is said.

    Python's magic number (4 bytes), CRC-32 of the rest (4), {"boot.py": marshalled code, ...} marshalled
"""
from __future__ import annotations

import marshal
import os
from binascii import crc32
from importlib._bootstrap_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

MOST_FILES = 16  # of several versions of girin and Python; the oldest make room


def keep(path: str, kept: dict[str, bytes], new: dict[str, CodeType]) -> None:
    """Adds what was compiled to what is there already, and takes it out of new."""
    try:
        folder = _own_folder(path)
        for file, code in list(new.items()):
            kept[file] = marshal.dumps(code)
            new.pop(file, None)
        data = marshal.dumps(kept)
        _write(path, MAGIC_NUMBER + crc32(data).to_bytes(4, "little") + data)
        _make_room(folder)
    except OSError:
        pass


def _own_folder(path: str) -> str:
    """Makes the folder, and the one that it is in; raises if others may write to it."""
    folder = os.path.dirname(path)
    for needed in (os.path.dirname(folder), folder):
        try:
            os.mkdir(needed, 0o700)
        except FileExistsError:
            pass
    about = os.stat(folder)
    if about.st_uid != os.geteuid() or about.st_mode & 0o022:
        raise PermissionError(folder)
    return folder


def _write(path: str, data: bytes) -> None:
    """Whoever reads meanwhile finds the file before, or this one whole."""
    part = f"{path}.{os.urandom(6).hex()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            written = os.write(fd, data)
        finally:
            os.close(fd)
        if written == len(data):
            os.rename(part, path)
            return
    except OSError:
        pass
    os.unlink(part)


def _make_room(folder: str) -> None:
    with os.scandir(folder) as found:
        files = sorted((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path) for entry in found if entry.is_file(follow_symlinks=False))
    for _, path in files[:-MOST_FILES]:
        os.unlink(path)
