"""The shims in C of a release run under every C library: what they need is what all have."""
from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from user import ROOT, build_accelerators as build

# What is neither Python's nor in ISO C and POSIX.1-2008: the compiler's own guards, in glibc and musl alike, and Linux's epoll.
EVERYWHERE = {"__errno_location", "__stack_chk_fail", "__stack_chk_guard", "epoll_wait", "bcmp"}
POSIX = {"_exit", "calloc", "clock_gettime", "free", "malloc", "memchr", "memcmp", "memcpy", "memmove", "memset", "poll",
         "getrusage", "read", "realloc", "recv", "recvmsg", "send", "sendmsg", "strlen", "write", "writev", "nanosleep"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build("x86_64", tmp_path_factory.mktemp("x86_64"))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_they_need_no_library_and_no_symbol_that_one_of_them_lacks(machine: str, built: list[Path], accelerators_of_arm: list[Path]) -> None:
    objects = built if machine == "x86_64" else accelerators_of_arm
    assert len(objects) == 8
    for path in objects:
        dynamic = subprocess.run(["readelf", "--dynamic", "--wide", path], capture_output=True, text=True, check=True).stdout
        assert "(NEEDED)" not in dynamic and "RUNPATH" not in dynamic and "RPATH" not in dynamic, path
        symbols = subprocess.run(["nm", "--dynamic", path], capture_output=True, text=True, check=True).stdout
        wanted = set(re.findall(r"^ +[Uw] (\S+)", symbols, re.M))
        foreign = {s for s in wanted if not re.match("_?Py", s)} - EVERYWHERE - POSIX
        assert not foreign, f"{path.name} wants {foreign}"
        assert re.findall(r" T (\S+)", symbols) == ["PyInit__girin"], path


MUSL = """
#include <stddef.h>
void *dlopen(const char *, int);
char *dlerror(void);
int puts(const char *);
int fflush(void *);
void _exit(int);
static const char *files[] = {FILES};
void _start(void) {
    __asm__ volatile("and $-16, %rsp");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!dlopen(files[i], 2 /* RTLD_NOW */)) {
            puts(dlerror());
            fflush(0);
            _exit(1);
        }
    _exit(0);
}
"""


def test_musl_loads_them(built: list[Path], tmp_path: Path) -> None:
    """By musl's own linker, which finds all that they want beside what Python has: that stands as variables in the program."""
    wanted = "".join(subprocess.run(["nm", "--dynamic", path], capture_output=True, text=True, check=True).stdout for path in built)
    names = sorted(set(re.findall(r"^ +[Uw] (_?Py\w+)$", wanted, re.M)))
    (tmp_path / "musl.c").write_text(MUSL + "".join(f"void *{name};\n" for name in names))
    files = ", ".join(f'"{path}"' for path in built)
    libc = "/usr/lib/x86_64-linux-musl/libc.so"
    subprocess.run(["gcc", "-w", "-fno-stack-protector", "-nostartfiles", "-nodefaultlibs", "-no-pie", "-rdynamic", f"-DFILES={files}", "musl.c", libc,
                    f"-Wl,--dynamic-linker={libc}", "-o", "musl"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "musl"], capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "")


def test_the_stable_abi_is_kept(tmp_path: Path, built: list[Path]) -> None:
    named = tmp_path / "_girin.abi3.so"  # the audit goes by the name
    shutil.copy(next(p for p in built if "abi3" in p.name), named)
    said = subprocess.run([ROOT / "build/tools/bin/abi3audit", "--strict", "--assume-minimum-abi3", "3.12", "--report", named],
                          capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def test_they_are_the_same_in_every_folder(tmp_path: Path, built: list[Path]) -> None:
    for one, two in zip(built, build("x86_64", tmp_path), strict=True):
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
                [name] = [n for n in names if n.endswith(f".dist-info/{part}")]
                assert wheel.read(name).decode("utf-8"), (path, part)
