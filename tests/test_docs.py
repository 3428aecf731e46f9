"""Command lines that the documents promise: each is accepted, with the settings that it names."""
from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GIRIN = os.environ.get("GIRIN", str(ROOT / "bin" / "girin"))


def promised() -> list[str]:
    """The code of every table's last column that begins with girin."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("from-gunicorn.md", "from-celery.md")]
    cells = [line.rstrip("| \n").rpartition("|")[2] for page in pages for line in page.splitlines() if line.startswith("|")]
    return [command for cell in cells for command in re.findall(r"`(girin .*?)`", cell)]


def test_the_page_promises_some() -> None:
    assert len(promised()) >= 20


@pytest.mark.parametrize("command", promised())
def test_a_command_line_of_the_migration_page_is_accepted(command: str, tmp_path: Path) -> None:
    for folder in (tmp_path.parent.parent, tmp_path.parent, tmp_path):
        folder.chmod(0o755)  # --user reads the application as that user
    for name, source in {"app.py": "def app(environ, start_response): pass\ndef create_app(): return app\n", "wsgi.py": "def application(environ, start_response): pass\n",
                         "conf.py": "workers = 2\n"}.items():
        (tmp_path / name).write_text(source)
    if ".pem" in command:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "k.pem", "-out", "c.pem"],
                       cwd=tmp_path, check=True, capture_output=True)
    words = [w.replace("/srv/app", str(tmp_path)).replace("/srv/venv/bin/python", sys.executable) for w in shlex.split(command)]
    said = subprocess.run([GIRIN, *words[1:], "--check-config"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "warning" not in said.stderr, said.stderr


def test_the_pictures_are_what_their_source_draws() -> None:
    said = subprocess.run([sys.executable, ROOT / "scripts" / "pictures", "--check"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
