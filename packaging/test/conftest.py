"""What `make release-test` asks of the artifacts in dist/: installed and run as a user would."""
from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from user import ROOT, User, build_accelerators, versions  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "edges: with the oldest and the newest CPython alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cpython" in metafunc.fixturenames:
        found = versions()
        assert found, "no CPython to test with: neither pyenv's versions nor python3.N in $PATH"
        if metafunc.definition.get_closest_marker("edges"):
            found = {minor: found[minor] for minor in sorted({min(found), max(found)})}
        metafunc.parametrize("cpython", found.values(), ids=[f"3.{minor}" for minor in found])


@pytest.fixture(scope="session")
def dist() -> Path:
    assert glob.glob(str(ROOT / "dist" / "*.whl")), "dist/ has no wheels: make release"
    return ROOT / "dist"


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what the tests install beside girin, so that they can use --no-index."""
    folder = tmp_path_factory.mktemp("packages")

    def download(python: str) -> None:
        subprocess.run([python, "-m", "pip", "download", "--quiet", "--dest", folder, "--constraint",
                        ROOT / "requirements" / "test.txt", "flask", "gunicorn"], check=True)

    oldest, *others = versions().values()
    download(oldest)  # what all have in common
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(download, others))
    return folder


@pytest.fixture(scope="session")
def accelerators_of_arm(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build_accelerators("aarch64", tmp_path_factory.mktemp("aarch64"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, dist: Path, packages: Path) -> Callable[..., Path]:
    """Makes an environment of a Python and packages, once for all tests that leave it as it is."""
    made: dict[tuple[str, ...], Path] = {}

    def make(python: str, *names: str) -> Path:
        if (python, *names) not in made:
            owner = User(tmp_path_factory.mktemp("owner"), [dist, packages])
            env = made[python, *names] = owner.venv(python)
            owner.pip(env / "bin" / "python", *names)
        return made[python, *names]

    return make


@pytest.fixture
def user(tmp_path: Path, dist: Path, packages: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    u = User(home, [dist, packages])
    yield u
    u.leave()
    shutil.rmtree(tmp_path, ignore_errors=True)
