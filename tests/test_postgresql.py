"""The Flask example's /query on a PostgreSQL of its own."""
import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

import servers

ROWS = "1000 rows, sum 500500\n"


def tool(name):
    """A program of PostgreSQL's server; Debian keeps them off the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which(name)
    if found is None:
        pytest.fail(f"PostgreSQL's {name} is not installed: make deb-packages")
    return str(found)


@pytest.fixture(scope="module")
def database_url():
    """A new cluster on a Unix socket, owned by no one with rights: PostgreSQL refuses root."""
    with tempfile.TemporaryDirectory(prefix="girin-pg-", dir="/tmp") as home, contextlib.ExitStack() as stack:
        as_user = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(home, user.pw_uid, user.pw_gid)
            as_user = ["runuser", "-u", user.pw_name, "--"]
        data = f"{home}/data"

        def run(*command):
            subprocess.run([*as_user, *command], cwd=home, check=True, stdout=subprocess.DEVNULL)

        run(tool("initdb"), "--pgdata", data, "--auth", "trust", "--username", "app", "--no-sync")
        run(tool("pg_ctl"), "start", "--wait", "--pgdata", data, "--log", f"{home}/log",
            "--options", f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off")
        stack.callback(run, tool("pg_ctl"), "stop", "--wait", "--mode", "immediate", "--pgdata", data)
        yield f"postgresql+psycopg://app@/postgres?host={home}"


def test_query_from_many_clients_at_once(girin, database_url):
    with servers.running(girin, "blocking_flask:app", env={"DATABASE_URL": database_url}) as run, \
            ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda _: requests.get(f"{run.url}/query", timeout=30), range(64))
        assert {(answer.status_code, answer.text) for answer in answers} == {(200, ROWS)}
