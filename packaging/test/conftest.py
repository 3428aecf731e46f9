"""What `make release-test` asks of the artifacts in dist/: installed and run as a user would."""
from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from user import ROOT, User, versions  # noqa: E402


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cpython" in metafunc.fixturenames:
        found = versions()
        assert found, "no CPython to test with: neither pyenv's versions nor python3.N in $PATH"
        metafunc.parametrize("cpython", found.values(), ids=[f"3.{minor}" for minor in found])


@pytest.fixture(scope="session")
def dist() -> Path:
    assert glob.glob(str(ROOT / "dist" / "*.whl")), "dist/ has no wheels: make release"
    return ROOT / "dist"


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what the tests install beside girin, so that they can use --no-index."""
    folder = tmp_path_factory.mktemp("packages")
    for python in versions().values():
        subprocess.run([python, "-m", "pip", "download", "--quiet", "--dest", folder, "--constraint",
                        ROOT / "requirements" / "test.txt", "flask", "gunicorn"], check=True)
    return folder


@pytest.fixture
def user(tmp_path: Path, dist: Path, packages: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    u = User(home, [dist, packages])
    yield u
    u.leave()
    shutil.rmtree(tmp_path, ignore_errors=True)
