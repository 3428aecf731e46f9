"""The code of the shim's modules that one start keeps for the next: used where it can be trusted, else
compiled, and never in the way."""
from __future__ import annotations

import marshal
import os
import sys
from binascii import crc32
from importlib._bootstrap_external import MAGIC_NUMBER
from pathlib import Path

import pytest

APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""
# In place of a module that every worker loads: it says so, and is that module.
MARKED = 'import os; os.write(2, b"kept code runs\\n")\n'


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / "cache" / "girin" / "shim-0123"


def kept_file(place: Path) -> Path:
    return Path(f"{place}-{sys.implementation.cache_tag}-{sys.flags.optimize}")


def read(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    assert data[:8] == MAGIC_NUMBER + crc32(data[8:]).to_bytes(4, "little")
    return marshal.loads(data[8:])


def write(path: Path, modules: dict[str, bytes], magic: bytes = MAGIC_NUMBER) -> None:
    data = marshal.dumps(modules)
    path.write_bytes(magic + crc32(data).to_bytes(4, "little") + data)
    path.chmod(0o600)


def mark(place: Path, magic: bytes = MAGIC_NUMBER) -> None:
    """Changes what is kept of a module so that one sees whether it runs."""
    modules = read(kept_file(place))
    source = MARKED + (Path(__file__).parents[1] / "_girin_shim" / "wire.py").read_text().replace("from __future__ import annotations", "")
    write(kept_file(place), {**modules, "wire.py": marshal.dumps(compile(source, "<girin>/wire.py", "exec"))}, magic)


def serves(start, place: Path, **kwargs) -> str:
    """Starts a worker, and returns what it wrote to stderr."""
    worker = start(APP, code_place=place, **kwargs)
    assert worker.get().body == b"ok"
    return worker.stderr()


def test_the_second_start_runs_what_the_first_has_compiled(start, place, cls):
    place.parent.parent.mkdir()
    assert serves(start, place, cls=cls) == ""
    path = kept_file(place)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert {"boot.py", "worker.py", "keeping.py"} <= set(read(path))
    mark(place)
    before = path.stat().st_ino
    assert "kept code runs" in serves(start, place, cls=cls)
    assert path.stat().st_ino == before, "there was nothing to add"


def test_another_class_adds_what_it_needs(start, place):
    serves(start, place)
    assert "greenlets.py" not in read(kept_file(place))
    serves(start, place, cls="gevent", implementation="python")
    assert {"greenlets.py", "threads.py"} <= set(read(kept_file(place)))


@pytest.mark.parametrize("what", ["of another Python", "damaged", "cut off", "empty", "writable by others", "a link", "a pipe"])
def test_what_cannot_be_trusted_is_compiled_anew(start, place, what):
    serves(start, place)
    path = kept_file(place)
    mark(place, b"\0\0\r\n" if what == "of another Python" else MAGIC_NUMBER)
    data = path.read_bytes()
    if what == "damaged":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif what == "cut off":
        path.write_bytes(data[:-100])
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "writable by others":
        path.chmod(0o666)
    elif what == "a link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    elif what == "a pipe":
        path.unlink()
        os.mkfifo(path)
    assert serves(start, place) == ""
    assert path.is_file() and not path.is_symlink() and "boot.py" in read(path), "it is written anew"


@pytest.mark.parametrize("what", ["no folder", "folder of others", "a file in its way"])
def test_nothing_is_written_where_it_must_not_be(start, place, what):
    if what != "no folder":
        place.parent.parent.mkdir()
    if what == "folder of others":
        place.parent.mkdir()
        place.parent.chmod(0o777)
    elif what == "a file in its way":
        place.parent.write_text("")
    if what == "no folder":
        place = place.parent / "deeper" / "still" / place.name
    assert serves(start, place) == ""
    assert not kept_file(place).exists() and not list(place.parent.glob("*"))


def test_optimized_code_is_kept_apart(start, place):
    serves(start, place)
    serves(start, place, env={"PYTHONOPTIMIZE": "2"})
    assert sorted(path.name[-2:] for path in place.parent.iterdir()) == ["-0", "-2"]


def test_the_oldest_make_room(start, place):
    """And nothing else: the folder may be the app's as well ($CACHE_DIRECTORY)."""
    place.parent.parent.mkdir()
    place.parent.mkdir(0o700)
    for n in range(20):
        for name in (f"shim-old-{n:02}", f"of-the-app-{n:02}"):
            (place.parent / name).write_bytes(b"")
            os.utime(place.parent / name, (n, n))
    serves(start, place)
    left = sorted(path.name for path in place.parent.iterdir())
    assert left == [*(f"of-the-app-{n:02}" for n in range(20)), kept_file(place).name, *(f"shim-old-{n:02}" for n in range(5, 20))]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write to another's home")
@pytest.mark.parametrize("what", ["no folder", ".cache"])
def test_root_makes_no_folder_in_the_home_of_another(start, tmp_path, what):
    """As sudo does where it keeps $HOME: that user's own cache would be root's."""
    home = tmp_path / "home"
    home.mkdir()
    if what == ".cache":
        (home / ".cache").mkdir()
        os.chown(home / ".cache", 1000, 1000)
    os.chown(home, 1000, 1000)
    assert serves(start, home / ".cache" / "girin" / "shim-0123") == ""
    assert [path.name for path in home.rglob("*")] == ([".cache"] if what == ".cache" else [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("what", ["folder", "link"])
def test_what_lies_in_a_folder_of_another_is_not_read(start, place, what):
    """It leads to files of ours whose names and contents that user could choose, as uploads."""
    serves(start, place)
    mark(place)
    if what == "link":
        place.parent.rename(place.parent.with_name("uploads"))
        place.parent.symlink_to("uploads")
    os.chown(place.parent, 1000, 1000, follow_symlinks=False)
    assert "kept code runs" not in serves(start, place)
    kept_file(place).unlink()
    serves(start, place)
    assert not kept_file(place).exists(), "nothing is written there either"
