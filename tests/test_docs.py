"""Command lines that the documents promise: each is accepted, with the settings that it names."""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers

ROOT = Path(__file__).resolve().parents[1]
GIRIN = os.environ.get("GIRIN", str(ROOT / "bin" / "girin"))
# The interpreter is that of the tests, which has gevent and uvloop, whatever $PATH finds; and no setting comes from outside.
ENV = {
    **{name: value for name, value in os.environ.items() if name not in ("GUNICORN_CMD_ARGS", "GIRIN_CMD_ARGS", "WEB_CONCURRENCY", "PORT")},
    "VIRTUAL_ENV": sys.prefix,
    "PATH": f"{sys.prefix}/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}",
}


def promised() -> list[str]:
    """The code of every table's last column that begins with girin."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("from-gunicorn.md", "from-celery.md")]
    cells = [line.rstrip("| \n").rpartition("|")[2] for page in pages for line in page.splitlines() if line.startswith("|")]
    return [command for cell in cells for command in re.findall(r"`(girin .*?)`", cell)]


PAGES = ("README.md", "README.ko.md", *(f"docs/{name}.md" for name in (
    "start", "deploy", "diagnose", "which-setting", "from-gunicorn", "BENCH", "TUNE", "JOBS", "tasks", "ASGI", "AUTO")))


def fenced(names: tuple[str, ...] = PAGES) -> list[str]:
    """The commands of the pages' code blocks that begin with girin, without their remarks."""
    blocks = [block for name in names for block in re.findall(r"^```[^`\n]*\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)]
    lines = [re.split(r" #|   ", line)[0].strip() for block in blocks for line in re.sub(r" *\\\n +", " ", block).splitlines()]
    return sorted({line for line in lines if line.startswith("girin ")})


COMMANDS = ("bench", "ctl", "jobs", "lab", "offload", "top", "tune")
SERVED = [line for line in fenced() if line.split()[1] not in COMMANDS]
OTHERS = [line for line in fenced() if line.split()[1] in ("bench", "ctl", "jobs") and "ID" not in line.split()]
MEASURED = [line for line in fenced() if line.split()[1] == "bench"]


def test_the_page_promises_some() -> None:
    assert len(promised()) >= 20 and len(SERVED) >= 1 and len(OTHERS) >= 4


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_line_of_a_page_is_understood(command: str, tmp_path: Path) -> None:
    """Without a server it fails, which is no mistake in its usage. Servers of others may run meanwhile."""
    nobody = command.replace(":8000", ":1")
    said = subprocess.run([GIRIN, *shlex.split(nobody)[1:]], env={**os.environ, "GIRIN_RUNTIME_DIR": str(tmp_path / "none")}, capture_output=True, text=True, timeout=60)
    assert said.returncode == 1, said.stderr


ANSWERS = "def app(environ, start_response):\n    start_response('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Running]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "app.py").write_text(ANSWERS)
    with servers.running(servers.girin_auto(), "app:app", folder) as run:
        yield run


@pytest.mark.parametrize("command", MEASURED)
def test_a_measurement_of_a_page_gets_answers(command: str, served: servers.Running) -> None:
    words = shlex.split(re.sub(r"-d \d+s", "-d 0.3s", command).replace(":8000", f":{served.port}"))
    said = subprocess.run([GIRIN, *words[1:]], capture_output=True, text=True, timeout=60)
    assert re.search(r"^Complete requests: +[1-9]", said.stdout, re.M) and re.search(r"^Failed requests: +0$", said.stdout, re.M), said.stdout + said.stderr


@pytest.mark.parametrize("command", [line for line in fenced(("docs/LAB.md", "docs/article.md")) if line.split()[2] in ("article", "mixed", "phases", "aa", "replay")])
def test_a_plan_of_a_page_is_there(command: str) -> None:
    words = command.replace("replay DIR", "replay docs/article-run").split()[1:]
    said = subprocess.run([GIRIN, *words, "--print-plan"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0 and "subjects:" in said.stdout, said.stderr


@pytest.mark.parametrize("command", promised() + SERVED)
def test_a_command_line_of_the_migration_page_is_accepted(command: str, tmp_path: Path) -> None:
    for folder in (tmp_path.parent.parent, tmp_path.parent, tmp_path):
        folder.chmod(0o755)  # --user reads the application as that user
    for name, source in {"app.py": "def app(environ, start_response): pass\ndef create_app(): return app\n", "wsgi.py": "def application(environ, start_response): pass\n",
                         "main.py": "async def app(scope, receive, send): pass\ndef create_app(): return app\n", "conf.py": "workers = 2\n"}.items():
        (tmp_path / name).write_text(source)
    if ".pem" in command:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "k.pem", "-out", "c.pem"],
                       cwd=tmp_path, check=True, capture_output=True)
        for name, source in {"key.pem": "k.pem", "cert.pem": "c.pem", "ca.pem": "c.pem"}.items():
            shutil.copy(tmp_path / source, tmp_path / name)
    for kind, name in {"keygen": "key", "webhook-key": "webhook.key"}.items():
        if f"key {name}" in command:
            subprocess.run([GIRIN, "offload", kind, name], cwd=tmp_path, check=True, capture_output=True)
    words = [w.replace("/srv/app", str(tmp_path)).replace("/srv/venv/bin/python", sys.executable) for w in shlex.split(command)]
    said = subprocess.run([GIRIN, *words[1:], "--check-config"], cwd=tmp_path, env=ENV, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "warning" not in said.stderr, said.stderr


def shown() -> list[tuple[str, str]]:
    """The blocks of the page on deployment that name their file, and what they hold."""
    return re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```', (ROOT / "docs" / "deploy.md").read_text(), re.M | re.S)


def test_what_the_page_on_deployment_shows_is_in_its_files() -> None:
    assert len(shown()) >= 6
    for name, block in shown():
        assert block in (ROOT / "examples" / "deploy" / name).read_text(), f"{name} has no such part:\n{block}"


def test_the_pictures_are_what_their_source_draws() -> None:
    said = subprocess.run([sys.executable, ROOT / "scripts" / "pictures", "--check"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
