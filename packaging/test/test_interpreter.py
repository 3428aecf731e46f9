"""Which Python runs the application, in thirteen ways of installing girin: the one that gunicorn's
script in its place would have used, but that an environment made for girin alone gives way to .venv."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from user import ROOT, User, versions

TOOLS = ROOT / "build" / "tools" / "bin"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, dist: Path, packages: Path) -> Path:
    """A folder with an application and an environment of its own, in which Flask is and girin is not."""
    owner = User(tmp_path_factory.mktemp("owner"), [dist, packages])
    folder = owner.app("proj")
    owner.venv(base(), "proj/.venv")
    owner.pip(folder / ".venv" / "bin" / "python", "flask")
    return folder


@pytest.fixture
def env(environment: Callable[..., Path]) -> Path:
    return environment(base(), "girin", "flask")


def base() -> str:
    found = versions()
    return found.get(12) or found[max(found)]


def serving(user: User, *command: str | Path, cwd: Path, **environ: str) -> Path:
    """Returns the prefix of the Python that runs the application."""
    served = user.serve(*command, "app:app", "-b", "{bind}", cwd=cwd, **environ)
    return Path(served.get().split()[1])


def refused(user: User, *command: str | Path, cwd: Path, **environ: str) -> None:
    """The application's Python has no Flask."""
    with pytest.raises(AssertionError, match="No module named 'flask'"):
        user.serve(*command, "app:app", "-b", "{bind}", cwd=cwd, **environ)


def uv_environ(user: User) -> dict[str, str]:
    settings = user.home / "uv.toml"
    links = ", ".join(f'"{link}"' for link in user.links)
    settings.write_text(f'no-index = true\nfind-links = [{links}]\nprerelease = "allow"\npython-downloads = "never"\n')
    return {"UV_CACHE_DIR": str(user.home / "uvcache"), "UV_CONFIG_FILE": str(settings), "UV_PYTHON": base()}


def pipx(user: User) -> Path:
    args = " ".join(["--no-index", *(f"--find-links={link}" for link in user.links)])
    user.run(TOOLS / "pipx", "install", "--python", base(), "--pip-args", args, "girin", PIPX_HOME=str(user.home / "pipx"),
             PIPX_BIN_DIR=str(user.home / "bin"), PATH=f"{TOOLS}:/usr/bin:/bin")
    return user.home / "bin" / "girin"


def test_an_environment_by_path(user: User, env: Path) -> None:
    assert serving(user, env / "bin" / "girin", cwd=user.app()) == env


def test_as_a_module(user: User, env: Path) -> None:
    assert serving(user, env / "bin" / "python", "-m", "girin", cwd=user.app()) == env


def test_an_environment_that_is_active(user: User, env: Path) -> None:
    assert serving(user, "girin", cwd=user.app(), VIRTUAL_ENV=str(env), PATH=f"{env}/bin:/usr/bin:/bin") == env


def test_another_environment_is_active(user: User, env: Path, project: Path) -> None:
    other = project / ".venv"
    assert serving(user, env / "bin" / "girin", cwd=user.app(), VIRTUAL_ENV=str(other), PATH=f"{other}/bin:/usr/bin:/bin") == env


def test_the_working_directory_has_one(user: User, env: Path, project: Path) -> None:
    assert serving(user, env / "bin" / "girin", cwd=project) == env


def test_pipx_in_a_project(user: User, project: Path) -> None:
    assert serving(user, pipx(user), cwd=project) == project / ".venv"


def test_pipx_alone(user: User) -> None:
    refused(user, pipx(user), cwd=user.app())


def test_uv_tool_in_a_project(user: User, project: Path) -> None:
    environ = {**uv_environ(user), "UV_TOOL_DIR": str(user.home / "uvtools"), "UV_TOOL_BIN_DIR": str(user.home / "bin")}
    user.run(TOOLS / "uv", "tool", "install", "girin", **environ)
    assert serving(user, user.home / "bin" / "girin", cwd=project) == project / ".venv"


def test_uvx_with_flask(user: User) -> None:
    prefix = serving(user, TOOLS / "uvx", "--with", "flask", "girin", cwd=user.app(), **uv_environ(user))
    assert prefix.is_relative_to(user.home / "uvcache")


def test_uvx_in_a_project(user: User, project: Path) -> None:
    assert serving(user, TOOLS / "uvx", "girin", cwd=project, **uv_environ(user)) == project / ".venv"


def test_uv_run_with_girin(user: User, project: Path) -> None:
    """girin lies in a layer over the project's environment: its Python sees both."""
    environ = {**uv_environ(user), "UV_PYTHON": str(project / ".venv")}
    served = user.serve(TOOLS / "uv", "run", "--with", "girin", "girin", "app:app", "-b", "{bind}", cwd=project, **environ)
    assert Path(served.get().split()[1]).is_relative_to(user.home / "uvcache")


def test_a_target_folder(user: User) -> None:
    folder = user.home / "site"
    user.run(base(), "-m", "pip", "install", "--quiet", "--no-index", "--target", folder,
             *(f"--find-links={link}" for link in user.links), "girin", "flask")
    for command in ([base(), "-m", "girin"], [folder / "bin" / "girin"]):
        prefix = serving(user, *command, cwd=user.app(), PYTHONPATH=str(folder))
        assert prefix == Path(base()).parents[1]


def test_in_the_background(user: User, env: Path) -> None:
    """--daemon is another process than the one that Python became."""
    app, address, pid = user.app(), user.home / "sock", user.home / "pid"
    user.run(env / "bin" / "girin", "app:app", "--daemon", "-b", f"unix:{address}", "-p", pid, "--error-logfile", user.home / "log", cwd=app)
    try:
        assert user.run("curl", "--silent", "--unix-socket", address, "http://x/").split()[1] == str(env)
    finally:
        os.kill(int(pid.read_text()), 15)
