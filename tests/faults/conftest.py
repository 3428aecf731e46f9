"""Faults are put to real servers. `make faults` runs all of it at full length and
writes docs/RELIABILITY.md, line by line; `make test` runs each fault once, and shorter."""
import contextlib
import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

import client
import raw
import servers
import table
from record import Record

FULL = os.environ.get("FAULTS") == "full"
GUNICORN_HAS = ("sync", "gthread", "gevent")  # of the classes
HERE = Path(__file__).parent
ROWS = pytest.StashKey[dict[str, table.Row]]()
LEFT_OUT = pytest.StashKey[set[str]]()  # tests of which a variant was not asked for
TOLD = pytest.StashKey[set[str]]()  # tests whose line is written


def pytest_configure(config):
    config.addinivalue_line("markers", "promise(text, fault): a line of docs/RELIABILITY.md")
    config.addinivalue_line("markers", "full: takes long; only of make faults")
    config.stash.setdefault(ROWS, {})
    config.stash.setdefault(LEFT_OUT, set())
    config.stash.setdefault(TOLD, set())


def pytest_collection_modifyitems(config, items):
    if not FULL:
        items[:] = [item for item in items if not item.get_closest_marker("full")]


@pytest.fixture(scope="session")
def full():
    """Whether this is the whole run, with gunicorn beside girin."""
    return FULL


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "record")


@pytest.fixture
def girin(record):
    """Starts girin with the fault app: girin(worker_class, workers, threads, *options)."""
    def start(worker_class="gthread", workers=1, threads=1, *options, app="faultapp", cwd=HERE, env=None, within=None):
        server = servers.girin(worker_class, workers, threads, "--log-level", "info", *options)
        if within is not None:
            server = dataclasses.replace(server, command=within.command(server.command))
        return with_all_workers(servers.running(server, app, cwd=cwd, env={**record.env, **(env or {})}))
    return start


@contextlib.contextmanager
def with_all_workers(running):
    """Waits until all workers are ready, not only the first."""
    with running as run:
        raw.until(lambda: "Ready after" in run.output(), 30, "all workers ready")
        yield run


@pytest.fixture
def gunicorn(record):
    """The same of gunicorn, with a record of its own."""
    record = Record(record.path.with_name("gunicorn-record"))

    def start(worker_class="gthread", workers=1, threads=1, *options, app="faultapp", cwd=HERE, env=None, within=None):
        server = servers.gunicorn(worker_class, workers, threads, "--log-level", "info", *options)
        if within is not None:
            server = dataclasses.replace(server, command=within.command(server.command))
        return servers.running(server, app, cwd=cwd, env={**record.env, **(env or {})})
    start.record = record
    return start


def came_of(call) -> str:
    """What a call returned, or how it failed: gunicorn is measured, not judged."""
    try:
        return str(call())
    except (OSError, client.BadResponse, subprocess.TimeoutExpired, AssertionError) as error:
        said = str(error)
        return said if said.startswith("not within ") else type(error).__name__


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB. Mounting it needs root."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def free(path: Path) -> int:
    """Bytes that its file system has left."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_bsize


class Measured:
    """What a test found out, for its line. girin's part comes first: with its text the promise holds."""

    def __init__(self, row: table.Row, variant: str):
        self._row, self._variant = row, variant

    def girin(self, text: str) -> None:
        self._row.girin[self._variant] = text

    def gunicorn(self, text: str) -> None:
        self._row.gunicorn[self._variant] = text

    def peer(self, name: str, text: str) -> None:
        """What another server did, where gunicorn has no such thing."""
        self._row.gunicorn[name] = text


@pytest.fixture
def measured(request):
    return Measured(row_of(request.node), variant_of(request.node))


def variant_of(item) -> str:
    return item.callspec.id if hasattr(item, "callspec") else ""


def row_of(item) -> table.Row:
    """The line of a test with a promise, for all its variants."""
    marker = item.get_closest_marker("promise")
    chapter = item.module.__doc__.splitlines()[0].rstrip(".")
    return item.config.stash[ROWS].setdefault(
        item.originalname, table.Row(*marker.args, **marker.kwargs, test=item.originalname, chapter=chapter))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Writes the line of a test after the last of its variants: what comes later may fail or be cut."""
    item.stash[FAILED] = False
    done = yield
    if FULL and item.get_closest_marker("promise"):
        row, variant = row_of(item), variant_of(item)
        if item.stash[FAILED] and variant not in row.girin:
            row.girin[variant] = table.BROKEN
        elif item.stash[FAILED]:  # where it stands beside girin
            row.gunicorn.setdefault(variant, "could not be measured")
        if nextitem is None or nextitem.originalname != item.originalname:
            item.config.stash[TOLD].add(item.originalname)
            if item.originalname not in item.config.stash[LEFT_OUT] and not names_variants(item.config):
                table.renew([row])
    return done


def names_variants(config) -> bool:
    return "::" in "".join(config.args)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[FAILED] |= report.failed
    return report


def pytest_deselected(items):
    for item in items:
        item.config.stash[LEFT_OUT].add(item.originalname)


def pytest_sessionfinish(session):
    """A whole run writes the whole page, without the lines of tests that are no more."""
    config = session.config
    promised = {item.originalname for item in getattr(session, "items", []) if item.get_closest_marker("promise")}
    whole = [Path(arg).resolve() for arg in config.args] == [HERE.resolve()] and not config.stash[LEFT_OUT]
    if FULL and whole and promised and promised == config.stash[TOLD]:
        table.write(list(config.stash[ROWS].values()))
