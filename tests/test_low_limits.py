"""A start under low limits of the system (ulimit): it serves with less, or a line names the limit."""
from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import servers
from waiting import until

APP = """
def application(environ, start_response):
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [])
    return [b"%d" % size]
"""
KIB, MIB = 1 << 10, 1 << 20


def started(folder, limit, most):
    (folder / "app.py").write_text(APP)
    port = servers.free_port()
    command = [str(servers.GIRIN), "serve", "--python", sys.executable, "-b", f"127.0.0.1:{port}", "-w", "1", "app"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               preexec_fn=lambda: resource.setrlimit(limit, (most, most)))
    return port, process


def sent(port, size):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", b"x" * size, timeout=20) as answer:
            return answer.read() == b"%d" % size
    except OSError:  # nobody listens yet
        return False


@pytest.mark.parametrize("most", [20 * MIB, 100 * MIB])
def test_files_that_may_be_small(tmp_path, most):
    port, process = started(tmp_path, resource.RLIMIT_FSIZE, most)
    try:
        until(lambda: sent(port, 0), 60)
        assert all(sent(port, size) for size in (30 * KIB, 900 * KIB, 3 * MIB))
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("limit, most, says", [
    (resource.RLIMIT_FSIZE, 10 * MIB, "the size of a file: limited to 10240 KiB (ulimit -f; LimitFSIZE=)"),
    (resource.RLIMIT_AS, 1500 * MIB, "the address space: limited to 1536000 KiB (ulimit -v; LimitAS=)"),
    (resource.RLIMIT_NOFILE, 20, "open files: limited to 20 (ulimit -n; LimitNOFILE=)"),
    (resource.RLIMIT_STACK, 64 * KIB, "the stack: limited to 64 KiB (ulimit -s; LimitSTACK=)"),
])
def test_a_limit_that_is_too_low_is_named(tmp_path, limit, most, says):
    _, process = started(tmp_path, limit, most)
    said = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert says in said
    assert "goroutine" not in said


def test_an_address_space_in_which_the_program_cannot_start(tmp_path):
    """The installed command says so: Go's runtime would end the program before its first line."""
    package = Path(__file__).parents[1] / "internal/shim/_girin_shim/girin"
    shutil.copytree(package, tmp_path / "girin")
    (tmp_path / "girin/bin").mkdir()
    (tmp_path / "girin/bin/girin").symlink_to(servers.GIRIN)
    ended = subprocess.run([sys.executable, "-m", "girin", "app"], cwd=tmp_path, capture_output=True, text=True,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (500 * MIB, 500 * MIB)))
    assert ended.returncode == 1
    assert ended.stderr.startswith("girin: the address space: limited to 512000 KiB (ulimit -v; LimitAS=)")
