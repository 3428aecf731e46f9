"""Disk and bodies."""
from __future__ import annotations

import contextlib
import resource
import subprocess

import pytest

import client
import procs
import raw
from conftest import free
from load import Load, p99

MIB = 1 << 20


def post(size, number=0, *fields):
    return raw.head(f"/body?n={number}", f"Content-Length: {size}", "Connection: close", *fields, method="POST") + b"x" * size


@pytest.mark.promise("No room for a body: 507, the file removed, the app not called",
                     "bodies of 10 MiB, with a length and in chunks, into a `tmp_upload_dir` of 4 MiB (tmpfs); small ones go on")
def test_full_disk(girin, record, measured, small_disk, tmp_path):
    settings = tmp_path / "gunicorn.conf.py"
    settings.write_text(f"tmp_upload_dir = {str(small_disk)!r}\n")
    with girin("gthread", 1, 2, "-c", str(settings)) as run:
        before = free(small_disk)
        with Load(run.port, 4) as load:
            length = raw.ask(run.port, post(10 * MIB, 990001))
            chunks = raw.ask(run.port, raw.head("/body?n=990002", "Transfer-Encoding: chunked", "Connection: close", method="POST")
                             + b"100000\r\n%b\r\n" % (b"x" * MIB) * 10 + b"0\r\n\r\n")
        assert (length.status, chunks.status) == (507, 507)
        assert not load.failed, load.summary()
        raw.until(lambda: free(small_disk) == before, what="room given back")
        assert not {990001, 990002} & set(record.begun())
        assert "could not be stored" in run.output()
        small = raw.ask(run.port, post(MIB, 3))
        assert (small.status, small.body) == (200, b"%d" % MIB)
        measured.girin("507 for both, room given back, a 1 MiB body after it 200")


@pytest.mark.promise("Answers for whose files there is no room hold no thread, up to 32 MiB together",
                     "4 readers of 6 MiB that take next to nothing, 2 threads; `tmp_upload_dir` is a full disk")
def test_answers_on_a_full_disk(girin, measured, small_disk, tmp_path):
    settings = tmp_path / "gunicorn.conf.py"
    settings.write_text(f"tmp_upload_dir = {str(small_disk)!r}\n")
    (small_disk / "full").write_bytes(b"x" * free(small_disk))
    with girin("sync", 2, 1, "-c", str(settings)) as run, contextlib.ExitStack() as stack:
        for _ in range(4):
            s = stack.enter_context(raw.connect(run.port, receive_buffer=8192))
            s.sendall(raw.head(f"/bytes?count={6 * MIB}"))
            assert s.recv(1)
        raw.until(lambda: client.get(run.port, "/").status == 200, 20)
        slowest = p99(run.port, 1000)
        assert slowest < 50
        assert "wait in memory" in run.output()
        measured.girin(f"p99 of another client {slowest:.1f} ms")


@pytest.mark.promise("A body that may not be stored gets 507, and the server goes on", "3 MiB with a length and in chunks, where the master's files may have 1 MiB (`ulimit -f`)")
def test_files_that_may_not_grow(girin, record, measured):
    with girin("gthread", 1, 2) as run:
        _, hard = resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (MIB, hard))
        length = raw.ask(run.port, post(3 * MIB, 990001))
        chunks = raw.ask(run.port, raw.head("/body?n=990002", "Transfer-Encoding: chunked", "Connection: close", method="POST")
                         + b"100000\r\n%b\r\n" % (b"x" * MIB) * 3 + b"0\r\n\r\n")
        assert (length.status, chunks.status) == (507, 507)
        assert not {990001, 990002} & set(record.begun())
        assert "could not be stored" in run.output()
        assert raw.ask(run.port, post(100, 3)).status == 200
        measured.girin("507 for both")


@pytest.mark.promise("A body over `--limit-request-body` gets 413, from its announced length before it is read", "2 MiB announced, and sent in chunks; the limit is 1 MiB")
def test_body_limit(girin, record, measured):  # gunicorn has no such limit
    with girin("gthread", 1, 2, "--limit-request-body", "1M") as run:
        with raw.connect(run.port) as s:
            s.sendall(raw.head("/body?n=1", f"Content-Length: {2 * MIB}", method="POST"))
            assert raw.read_to_end(s).status == 413
        chunked = raw.head("/body?n=2", "Transfer-Encoding: chunked", method="POST") + b"100000\r\n%b\r\n" % (b"x" * MIB) * 2
        assert raw.ask(run.port, chunked).status == 413
        assert raw.ask(run.port, post(MIB, 3)).status == 200
        assert not {1, 2} & set(record.begun())
        measured.girin("413 for both; the app was not called")


@pytest.mark.promise("A client that leaves in the middle of its body leaves no file", "20 bodies cut after 1 MiB of 2")
def test_spool_files_go(girin, record, measured):
    with girin("gthread", 1, 2) as run:
        before = procs.descriptors(run.process.pid)
        with contextlib.ExitStack() as stack:
            for number in range(20):
                s = stack.enter_context(raw.connect(run.port))
                s.sendall(post(2 * MIB, 100 + number)[:MIB])
            raw.until(lambda: procs.descriptors(run.process.pid) >= before + 35, what="20 connections and their files")
        raw.until(lambda: procs.descriptors(run.process.pid) <= before, what="descriptors given back")
        assert not [number for number in record.begun() if number >= 100]
        assert client.get(run.port, "/").status == 200
        measured.girin("no descriptor left")


@pytest.mark.parametrize("kind", ["missing", "read-only"])
@pytest.mark.promise("A spool directory that cannot be written to is said at the start, and bodies are taken all the same",
                     "`--spool-dir` that is not there, or on a file system that is mounted read-only; 3 MB with a length and in chunks")
def test_unusable_spool_directory(girin, measured, tmp_path, small_disk, kind):
    if kind == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    directory = small_disk if kind == "read-only" else tmp_path / "none"
    with girin("gthread", 1, 2, "--spool-dir", str(directory)) as run:
        said = next(line for line in run.output().splitlines() if str(directory) in line)
        length = raw.ask(run.port, post(3 * MIB, 1))
        chunks = raw.ask(run.port, raw.head("/body?n=2", "Transfer-Encoding: chunked", "Connection: close", method="POST")
                         + b"100000\r\n%b\r\n" % (b"x" * MIB) * 3 + b"0\r\n\r\n")
        assert (length.status, chunks.status) == (200, 200), said
        assert (length.body, chunks.body) == (b"%d" % (3 * MIB),) * 2
        measured.girin("said; 200 for both")
