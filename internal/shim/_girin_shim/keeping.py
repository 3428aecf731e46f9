"""Keeps the code of compiled modules for the next start: a file of this user's alone, for each
archive and each Python. Nothing depends on it; where it cannot be written, nothing is said.

    Python's magic number (4 bytes), CRC-32 of the rest (4), {"boot.py": marshalled code, ...} marshalled
"""
from __future__ import annotations

import marshal
import os
from binascii import crc32
from importlib._bootstrap_external import MAGIC_NUMBER
from posix import close  # os.close may be gevent's, which leaves a folder open until its loop runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

NAME = "shim-"  # with which their names begin: systemd's folder may have files of the app's
MOST_FILES = 16  # of several versions of girin and Python; the oldest make room


def keep(path: str, kept: dict[str, bytes], new: dict[str, CodeType]) -> None:
    """Adds what was compiled to what is there already, and takes it out of new."""
    place, name = os.path.split(path)
    try:
        folder = _own_folder(place)
        try:
            for file, code in list(new.items()):
                kept[file] = marshal.dumps(code)
                new.pop(file, None)
            data = marshal.dumps(kept)
            _write(folder, name, MAGIC_NUMBER + crc32(data).to_bytes(4, "little") + data)
            _make_room(folder)
        finally:
            close(folder)
    except OSError:
        pass


def _own_folder(place: str) -> int:
    """Opens the folder; makes it, and the one that it is in. Raises if others may write to it."""
    _make(os.path.dirname(place))
    _make(place)
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    about = os.fstat(folder)
    if about.st_uid != os.geteuid() or about.st_mode & 0o022 or os.lstat(place).st_uid not in (0, os.geteuid()):
        close(folder)
        raise PermissionError(place)
    return folder


def _make(folder: str) -> None:
    """Not in the home of another: sudo may keep $HOME, and that user could not write to it any more."""
    if os.path.isdir(folder):
        return
    if os.stat(os.path.dirname(folder)).st_uid not in (0, os.geteuid()):
        raise PermissionError(folder)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass  # another worker was faster


def _write(folder: int, name: str, data: bytes) -> None:
    """Whoever reads meanwhile finds the file before, or this one whole."""
    part = f"{name}.{os.urandom(6).hex()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        try:
            written = os.write(fd, data)
        finally:
            close(fd)
        if written == len(data):
            os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            return
    except OSError:
        pass
    os.unlink(part, dir_fd=folder)


def _make_room(folder: int) -> None:
    with os.scandir(folder) as found:
        files = sorted((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name) for entry in found if entry.name.startswith(NAME) and entry.is_file(follow_symlinks=False))
    for _, name in files[:-MOST_FILES]:
        os.unlink(name, dir_fd=folder)
