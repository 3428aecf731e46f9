"""The deb, rpm and apk: what they hold, and that what they install works."""
from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from user import User, typed

HELD = {"/usr/bin/girin", "/usr/share/man/man1/girin.1.gz", "/usr/share/bash-completion/completions/girin",
        "/usr/share/fish/vendor_completions.d/girin.fish", "/usr/share/doc/girin/copyright", "/usr/share/doc/girin/THIRD_PARTY_NOTICES", "/etc/girin"}
UNITS = {"/usr/lib/systemd/system/girin@.service", "/usr/lib/systemd/system/girin@.socket"}


def said(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def installed(dist: Path, user: User) -> Path:
    root = user.home / "root"
    subprocess.run(["dpkg-deb", "-x", next(dist.glob("*_amd64.deb")), root], check=True)
    return root


def test_each_kind_holds_the_same(dist: Path) -> None:
    for deb in dist.glob("*.deb"):
        names = {line.split()[5].lstrip(".").rstrip("/") for line in said("dpkg-deb", "-c", deb).splitlines()}
        assert HELD | UNITS | {"/usr/share/zsh/vendor-completions/_girin"} <= names, deb
    for rpm in dist.glob("*.rpm"):
        assert HELD | UNITS | {"/usr/share/zsh/site-functions/_girin"} <= set(said("rpm", "-qlp", rpm).splitlines()), rpm
    for apk in dist.glob("*.apk"):
        with tarfile.open(apk) as archive:
            assert HELD | {"/usr/share/zsh/site-functions/_girin"} <= {"/" + n.rstrip("/") for n in archive.getnames()}, apk
    assert len(list(dist.glob("*.deb"))) == len(list(dist.glob("*.rpm"))) == len(list(dist.glob("*.apk"))) == 2


def test_the_program_of_the_package_runs_without_any_library(installed: Path) -> None:
    """A root with nothing else in it, as on a distribution with another C library or none."""
    assert said("unshare", "--mount", "chroot", installed, "/usr/bin/girin", "version").startswith("girin ")


def test_the_manual_page_is_clean(installed: Path) -> None:
    page = installed / "usr/share/man/man1/girin.1.gz"
    shown = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert "--worker-class" in shown.stdout and not shown.stderr, shown.stderr


COMPLETED = [("girin app:app --worker-cl\t", "--worker-class"), ("girin app:app -k gth\t", "gthread"), ("girin ctl sta\t", "status"), ("girin ben\t", "bench")]  # the space after it is not always drawn


@pytest.mark.parametrize("keys, until", COMPLETED)
def test_bash_and_zsh_complete_what_is_typed(installed: Path, keys: str, until: str) -> None:
    """Where packages put the files, and read from .bashrc and .zshrc, as girin completion says."""
    bash = installed / "usr/share/bash-completion/completions/girin"
    zsh = installed / "usr/share/zsh/vendor-completions/_girin"
    typed(["bash", "--norc"], f"source {bash}", keys, until)
    typed(["zsh", "-f"], f"fpath=({zsh.parent} $fpath); autoload -Uz compinit; compinit -u -D", keys, until)
    typed(["zsh", "-f"], f"autoload -Uz compinit; compinit -u -D; eval \"$({installed}/usr/bin/girin completion zsh)\"", keys, until)


def test_fish_completes(installed: Path) -> None:
    fish = installed / "usr/share/fish/vendor_completions.d/girin.fish"
    assert "--worker-class" in said("fish", "--no-config", "-c", f"source {fish}; complete -C 'girin app:app --worker-c'")
    assert "gthread" in said("fish", "--no-config", "-c", f"source {fish}; complete -C 'girin app:app -k '")
    assert "status" in said("fish", "--no-config", "-c", f"source {fish}; complete -C 'girin ctl '")


def test_a_page_and_completions_are_in_the_archives(dist: Path) -> None:
    assert shutil.which("tar")
    for archive in dist.glob("girin_*_linux_*.tar.gz"):
        with tarfile.open(archive) as held:
            names = {n.partition("/")[2] for n in held.getnames()}
        assert {"girin", "girin.1", "completions/girin.bash", "LICENSE", "THIRD_PARTY_NOTICES", "girin.cdx.json"} <= names
