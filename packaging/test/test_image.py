"""The images: girin alone, for two architectures; and the example's, with nothing that it may write.

buildah makes them in a chroot. Where no registry is reached, their base is made with debootstrap.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from user import ROOT, Served, User, free_port

DEPLOY = ROOT / "examples" / "deploy"
RELEASE = ROOT / "build" / "release"


class Buildah:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str | Path) -> str:
        done = subprocess.run(["buildah", "--storage-driver", "vfs", "--root", self.folder / "store", "--runroot", self.folder / "run", *args],
                              capture_output=True, text=True)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    return Buildah(tmp_path_factory.mktemp("buildah"))


@pytest.fixture(scope="module")
def base(buildah: Buildah) -> str:
    """An image with Debian and its Python, in place of python:3.13-slim."""
    root = buildah.folder / "debian"
    subprocess.run(["debootstrap", "--variant=minbase", "--include=python3,python3-venv", "bookworm", root, "http://deb.debian.org/debian"],
                   check=True, stdout=subprocess.DEVNULL)
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, root, "/")
    buildah("commit", "--quiet", container, "localhost/python:slim")
    buildah("rm", container)
    shutil.rmtree(root)
    return "localhost/python:slim"


@pytest.fixture(scope="module")
def image(buildah: Buildah, base: str, dist: Path, packages: Path) -> str:
    """The example's image, which has girin from dist/ instead of from PyPI."""
    pip = buildah.folder / "pip.conf"
    pip.write_text("[global]\nno-index = true\nfind-links = /dist /packages\n")
    subprocess.run(["python3.11" if shutil.which("python3.11") else "python3", "-m", "pip", "download", "--quiet", "--dest", packages,
                    "--python-version", "3.11", "--only-binary", ":all:", "flask"], check=True)
    buildah("build", "--isolation", "chroot", "--quiet", "--build-arg", f"BASE={base}", "--tag", "app", "--volume", f"{dist}:/dist:ro",
            "--volume", f"{packages}:/packages:ro", "--volume", f"{pip}:/etc/pip.conf:ro", "--file", DEPLOY / "docker" / "Dockerfile", DEPLOY)
    return "app"


def test_an_image_of_girin_alone(buildah: Buildah, user: User) -> None:
    for arch in ("amd64", "arm64"):
        buildah("build", "--isolation", "chroot", "--quiet", "--arch", arch, "--build-arg", f"TARGETARCH={arch}", "--tag", f"girin-{arch}",
                "--ignorefile", "/dev/null", "--file", ROOT / "packaging" / "image" / "Containerfile", contexts(user))
        about = json.loads(buildah("inspect", "--type", "image", f"girin-{arch}"))["OCIv1"]
        assert (about["architecture"], about["config"]["Entrypoint"]) == (arch, ["/girin"])
    container = buildah("from", "girin-amd64")
    version = (RELEASE / "linux-amd64" / "girin").resolve()
    said = buildah("run", "--isolation", "chroot", container, "--", "/girin", "version")
    assert said == subprocess.run([version, "version"], capture_output=True, text=True).stdout.strip()


def contexts(user: User) -> Path:
    folder = user.home / "context"
    if not folder.exists():
        folder.mkdir()
        for arch in ("amd64", "arm64"):
            shutil.copytree(RELEASE / f"linux-{arch}", folder / f"linux-{arch}")
        for name in ("LICENSE", "THIRD_PARTY_NOTICES"):
            shutil.copy(ROOT / name, folder)
    return folder


def test_the_example_serves_with_nothing_that_it_may_write(buildah: Buildah, image: str, user: User) -> None:
    """User 10001, a read-only root, no capability, no /tmp: bodies are taken, and ctl answers."""
    about = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
    assert about["User"] == "10001" and "PORT=8000" in about["Env"]
    root = Path(buildah("mount", buildah("from", image)))
    for folder in ("tmp", "var/tmp", "dev/shm"):
        shutil.rmtree(root / folder, ignore_errors=True)
    port = free_port()
    environ = dict(e.split("=", 1) for e in about["Env"]) | {"PORT": str(port), "HOME": "/nonexistent"}

    inside = 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; mount -t proc proc "$0/proc"; mount --bind /dev/null "$0/dev/null"; ' \
             'mount --bind /dev/urandom "$0/dev/urandom"; exec chroot --userspec=10001:10001 --groups= "$0" /usr/bin/setpriv --no-new-privs /bin/sh -c \'cd /app && exec "$@"\' sh "$@"'
    for device in ("null", "urandom"):
        (root / "dev" / device).unlink(missing_ok=True)
        (root / "dev" / device).touch()
    log = user.home / "log"
    with log.open("w") as out:
        process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", inside, root, *about["Cmd"]],
                                   env=environ, stdout=out, stderr=out)
    user.servers.append(process)
    served = Served(f"http://127.0.0.1:{port}/", process, log).wait()
    assert json.loads(served.get())["client"] == "127.0.0.1"
    assert served.python()[0].startswith("/venv/bin/python") and served.python()[1].startswith("C (cp311)")

    upload = urllib.request.Request(f"{served.url}upload", data=b"x" * 3_000_000, headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(upload) as answer:
        assert json.load(answer) == {"bytes": 3_000_000}

    server = next(int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and is_girin_in(p, root))
    status = Path(f"/proc/{server}/status").read_text()
    assert re.search(r"^Uid:\t10001\t10001", status, re.M) and re.search(r"^CapEff:\t0+$", status, re.M)
    asked = subprocess.run(["nsenter", "--target", str(server), "--mount", "--pid", "--root", "--wd", "--setuid", "10001", "--setgid", "10001",
                            "/venv/bin/girin", "ctl", "status"], env=environ, capture_output=True, text=True)
    assert asked.returncode == 0 and "app:app" in asked.stdout, asked.stdout + asked.stderr
    check = re.search(r'HEALTHCHECK .*?CMD (\[.*\])', (DEPLOY / "docker" / "Dockerfile").read_text())[1]
    subprocess.run(json.loads(check), env={**os.environ, "PORT": str(port)}, check=True)


def is_girin_in(process: Path, root: Path) -> bool:
    try:
        return os.readlink(process / "exe").endswith("/girin/bin/girin") and os.readlink(process / "root") == str(root)
    except OSError:
        return False
