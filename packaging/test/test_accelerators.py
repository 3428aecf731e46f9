"""The shims in C of a release run under every C library: what they need is what all have."""
from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from user import ROOT

# What is neither Python's nor in ISO C and POSIX.1-2008: the compiler's own guards, in glibc and musl alike, and Linux's epoll.
EVERYWHERE = {"__errno_location", "__stack_chk_fail", "__stack_chk_guard", "epoll_wait", "bcmp"}
POSIX = {"_exit", "calloc", "clock_gettime", "free", "malloc", "memchr", "memcmp", "memcpy", "memmove", "memset", "poll",
         "read", "realloc", "recv", "recvmsg", "send", "sendmsg", "strlen", "write", "writev", "nanosleep"}


def built(machine: str, folder: Path) -> list[Path]:
    subprocess.run([ROOT / "packaging" / "accelerators", ROOT / "build" / "headers", machine, folder], check=True,
                   env={"PATH": f"{ROOT}/build/tools/bin:/usr/bin:/bin", "PYTHON": str(ROOT / "build/tools/bin/python"), "HOME": str(folder)})
    return sorted(folder.glob("*.so"))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_they_need_no_library_and_no_symbol_that_one_of_them_lacks(machine: str, tmp_path: Path) -> None:
    objects = built(machine, tmp_path)
    assert len(objects) == 8
    for path in objects:
        dynamic = subprocess.run(["readelf", "--dynamic", "--wide", path], capture_output=True, text=True, check=True).stdout
        assert "(NEEDED)" not in dynamic and "RUNPATH" not in dynamic and "RPATH" not in dynamic, path
        symbols = subprocess.run(["nm", "--dynamic", path], capture_output=True, text=True, check=True).stdout
        wanted = set(re.findall(r"^ +[Uw] (\S+)", symbols, re.M))
        foreign = {s for s in wanted if not re.match("_?Py", s)} - EVERYWHERE - POSIX
        assert not foreign, f"{path.name} wants {foreign}"
        assert re.findall(r" T (\S+)", symbols) == ["PyInit__girin"], path


def test_the_stable_abi_is_kept(tmp_path: Path) -> None:
    path = next(p for p in built("x86_64", tmp_path) if "abi3" in p.name)
    named = tmp_path / "_girin.abi3.so"  # the audit goes by the name
    path.rename(named)
    said = subprocess.run([ROOT / "build/tools/bin/abi3audit", "--strict", "--assume-minimum-abi3", "3.12", "--report", named],
                          capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def test_they_are_the_same_in_every_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "elsewhere").mkdir()
    for one, two in zip(built("x86_64", tmp_path / "a"), built("x86_64", tmp_path / "elsewhere")):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_a_wheel_holds_what_it_says(dist: Path) -> None:
    wheels = sorted(dist.glob("*.whl"))
    assert len(wheels) == 4
    for path in wheels:
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
            assert "girin/bin/girin" in names
            assert wheel.getinfo("girin/bin/girin").external_attr >> 16 == 0o100755
            for part in ("licenses/LICENSE", "licenses/THIRD_PARTY_NOTICES", "sboms/girin.cdx.json"):
                assert any(n.endswith(f".dist-info/{part}") for n in names), (path, part)
