"""A bug in girin itself."""
from __future__ import annotations

import dataclasses
import subprocess

import pytest

import client
import procs
import raw
import servers
from conftest import HERE
from load import Load

# What the client gets: no answer, or one that is cut, or another's answer for it.
PLACES = {"conn": 0, "answer": 0, "writer": 200, "reader": 502}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """girin with the build tag faults: some paths make it panic."""
    path = tmp_path_factory.mktemp("build") / "girin"
    subprocess.run(["go", "build", "-tags", "faults", "-o", path, "./cmd/girin"], cwd=servers.ROOT, check=True)
    return path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.promise("A panic ends that connection or worker only; its stack is logged",
                     "injected by a build tag where a connection is read, an answer passed on, a slow client written to, and a worker read; 8 clients beside")
def test_panic(faulty, record, measured, place):
    girin = servers.girin("gthread", 2, 2)
    server = dataclasses.replace(girin, command=(str(faulty), *girin.command[1:]))
    with servers.running(server, "faultapp", cwd=HERE, env=record.env) as run:
        with Load(run.port, 8) as load:
            for i in range(5):
                with raw.connect(run.port, receive_buffer=4096) as s:
                    path = f"/panic/{place}"
                    s.sendall(raw.head(path) if place != "writer" else raw.head(f"/bytes{path}?count=8000000"))
                    # Nothing is read before: a quick reader never makes the server queue.
                    raw.until(lambda: run.output().count("panic: injected by") > i, what="its stack in the log")
                    answer = raw.read_to_end(s)
                assert answer.status == PLACES[place], answer.data[:100]
        assert run.process.poll() is None
        raw.until(lambda: client.get(run.port, "/").status == 200)
        # With its reader a worker goes, and what it was running; answers that
        # it had sent and the reader had not passed on are lost as well.
        most = 5 * 8 if place == "reader" else 0
        assert len(load.failed) <= most and set(load.failed.values()) <= {502}, load.summary()
        raw.until(lambda: procs.descriptors(run.process.pid) < 60, what="descriptors given back")
        measured.girin(f"5 panics: {load.summary()}")
