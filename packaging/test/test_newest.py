"""CPythons that are newer than this machine's: Debian's unstable packages, in a root of their own."""
from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from user import ROOT, Served, User, free_port

PACKAGES = ["python3.{0}-minimal", "libpython3.{0}-minimal", "libpython3.{0}-stdlib", "libc6", "libexpat1", "zlib1g", "libffi8", "libgcc-s1", "libzstd1"]

APP = """\
import sys

def app(environ, start_response):
    body = (sys.executable + "\\n" + sys.version + "\\n").encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.mark.parametrize("minor", [14, 15])
def test_the_shim_in_c_runs_in(user: User, minor: int) -> None:
    root = user.home / "root"
    subprocess.run([ROOT / "packaging" / "unstable", root, *(p.format(minor) for p in PACKAGES)], check=True)
    for name in ("bin", "lib", "lib64"):  # which a whole Debian has as links
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "app", "tmp"):
        (root / name).mkdir(exist_ok=True)
    for name in ("null", "urandom"):
        (root / "dev" / name).touch()
    (root / "app" / "app.py").write_text(APP)
    shutil.copy(ROOT / "build" / "release" / "linux-amd64" / "girin", root / "girin")
    port, log = free_port(), user.home / "log"
    inside = ('mount -t proc proc "$0/proc"; for d in null urandom; do mount --bind /dev/$d "$0/dev/$d"; done; '
              'exec chroot "$0" /girin app:app --chdir /app --python "$1" -b "$2" -w 1 --threads 2')
    with log.open("w") as out:
        process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", inside, root, f"/usr/bin/python3.{minor}", f"127.0.0.1:{port}"],
                                   stdout=out, stderr=out, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    user.servers.append(process)
    served = Served(f"http://127.0.0.1:{port}/", process, log).wait()
    assert f"\n3.{minor}." in served.get()
    assert served.python()[1].startswith(f"C (cp3{minor})"), served.said()


def test_the_shim_in_c_loads_on_aarch64(user: User, accelerators_of_arm: list[Path]) -> None:
    """Under qemu's emulation of a process: the file is loaded, its symbols are found, its module is made."""
    root = user.home / "root"
    subprocess.run([ROOT / "packaging" / "unstable", root, *(p.format(14) for p in PACKAGES)], check=True,
                   env={"ARCH": "arm64", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    for name in ("bin", "lib"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for path in accelerators_of_arm:
        if path.stem not in ("girin-cp314", "girin-abi3"):
            continue
        load = ("import importlib.util as u, platform; s = u.spec_from_file_location('_girin', %r); m = u.module_from_spec(s); "
                "s.loader.exec_module(m); print(platform.machine(), sorted(n for n in dir(m) if n[0] != '_'))" % str(path))
        said = subprocess.run(["qemu-aarch64-static", "-L", root, root / "usr" / "bin" / "python3.14", "-c", load],
                              capture_output=True, text=True, env={"PYTHONHOME": str(root / "usr"), "PATH": "/usr/bin:/bin"})
        assert said.returncode == 0 and said.stdout.startswith("aarch64 [") and "Slot" in said.stdout, said.stdout + said.stderr
