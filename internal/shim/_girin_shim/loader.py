"""Finds the shim's modules in the archive behind a descriptor.

Runs in a namespace of its own, started by the -c line of shim.Args. With -c
there is no __main__ file that multiprocessing's spawn could run again. The
archive is name NUL source NUL name NUL source, without a last NUL; the name
PLACE, which need not be there, has in place of a source where code is kept.
"""
import os
import sys

# This file has no syntax that 3.6 lacks, so that this line is what such a Python says.
if sys.version_info < (3, 8):
    sys.exit("girin: Python 3.9 or newer is needed, and %s is %s; --python PATH chooses another" % (sys.executable, sys.version.split()[0]))

# The mark of -c: the working directory, where files of the app's may have names
# of the standard library. It comes back once the shim is loaded: set_paths.
if sys.path[:1] == [""]:
    del sys.path[0]

import marshal
import stat
from binascii import crc32
from importlib._bootstrap_external import MAGIC_NUMBER
from importlib.machinery import ModuleSpec

SHIM_FD = 7
PLACE = "code"
PACKAGE = "_girin_shim"
ARBITER, TEMPLATE = "girin-arbiter", "girin-preload"  # the arguments of processes that are no workers
ORIGIN = "<girin>/"  # not "<...>", which linecache would not look up
HEAD = 8  # bytes before the code that is kept: Python's magic number and a checksum


class Code:
    """The modules' code, by their files: what an earlier start of a Python like this one has
    compiled of the same archive, and what had to be compiled now."""

    def __init__(self, place):
        tag = sys.implementation.cache_tag
        self.path = f"{place}-{tag}-{sys.flags.optimize}" if place and tag else ""
        self._kept = read_code(self.path) if self.path else {}
        self.new = {}

    def get(self, file, source):
        if file in self._kept:
            return marshal.loads(self._kept[file])
        code = compile(source, ORIGIN + file, "exec", dont_inherit=True)
        if self.path:
            self.new[file] = code
        return code


def read_code(path):
    """What keeping.py has written there; nothing if others could have, or if it is not whole."""
    ours = 0, os.geteuid()
    try:
        if os.lstat(os.path.dirname(path)).st_uid not in ours:
            return {}  # another's folder, or link to one where somebody can put files under names of their own
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode) or about.st_uid not in ours or about.st_mode & 0o022:
                return {}
            head, data = os.read(fd, HEAD), os.read(fd, about.st_size)
        finally:
            os.close(fd)
        if head != MAGIC_NUMBER + crc32(data).to_bytes(HEAD - len(MAGIC_NUMBER), "little"):
            return {}
        return marshal.loads(data)
    except (OSError, OverflowError):
        return {}


class Loader:
    """A finder and loader of the modules in the archive.

    get_source serves linecache, so that tracebacks show the shim's lines.
    """

    def __init__(self, archive):
        texts = archive.decode().split("\0")
        self._sources = dict(zip(texts[::2], texts[1::2]))
        self._code = Code(self._sources.pop(PLACE, ""))

    def enter(self):
        sys.meta_path.insert(0, self)

    def leave(self):
        """When no more modules are needed: the app's imports are none of this one's business,
        but for the package girin where that is not installed."""
        if self._code.new:
            from _girin_shim import keeping

            keeping.keep(self._code.path, read_code(self._code.path), self._code.new)
        sys.meta_path.remove(self)
        self.offer()

    def offer(self):
        """Lets the app import the package girin. Behind all others: an installed one is found first."""
        if not any(type(finder) is Offer for finder in sys.meta_path):
            sys.meta_path.append(Offer(self._sources, self._code))

    def find_spec(self, name, path=None, target=None):
        file = self._file(name)
        if file not in self._sources:
            return None
        return ModuleSpec(name, self, origin=ORIGIN + file, is_package=self.is_package(name))

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name):
        return self._code.get(self._file(name), self.get_source(name))

    def get_source(self, name):
        return self._sources[self._file(name)]

    def is_package(self, name):
        return self._file(name).endswith("__init__.py")

    def _file(self, name):
        """Where the archive has a module; "" for one that is none of its own."""
        package, _, module = name.partition(".")
        if package != PACKAGE:
            return ""
        folder = module.replace(".", "/")
        file = folder + ".py"
        if file in self._sources:
            return file
        return f"{folder}/__init__.py".lstrip("/")


class Offer(Loader):
    """The package girin, of the same archive."""

    def __init__(self, sources, code):
        self._sources, self._code = sources, code

    def _file(self, name):
        package, _, module = name.partition(".")
        return f"girin/{module or '__init__'}.py" if package == "girin" else ""


def _main():
    loader = Loader(os.pread(SHIM_FD, os.fstat(SHIM_FD).st_size, 0))
    os.close(SHIM_FD)
    globals()["__loader__"] = loader  # for linecache: this module was not imported
    loader.enter()
    from _girin_shim import terminal

    terminal.leave()
    if sys.argv[1:] == [ARBITER]:
        from _girin_shim.arbiter import main

        main(loader)
    elif sys.argv[1:] == [TEMPLATE]:
        from _girin_shim.template import main

        main(loader)
    else:
        from _girin_shim.boot import main

        main(loader.leave)


_main()
