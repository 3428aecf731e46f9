"""Packs a built girin into a wheel; the same input gives the same bytes.

    python wheel.py PROGRAM PLATFORM[.PLATFORM...] FOLDER

PLATFORM is a platform tag, such as manylinux_2_17_x86_64.
"""
from __future__ import annotations

import base64
import hashlib
import os
import sys
import time
import zipfile

from source import ROOT, Source, read

PACKAGE = ("internal", "shim", "_girin_shim", "girin")  # workers bring it where no wheel is installed
HERE = os.path.dirname(os.path.abspath(__file__))


def metadata(source: Source) -> str:
    """Returns the core metadata, version 2.4, with README.md as the description."""
    with open(os.path.join(HERE, "METADATA"), encoding="utf-8") as f:
        head = f.read().replace("@VERSION@", source.version)
    return head + "\n" + read("README.md").decode()


def pack(program: bytes, platforms: list[str], folder: str, source: Source) -> str:
    """Writes the wheel into folder and returns its name."""
    info = f"girin-{source.version}.dist-info"
    files = [(f"girin/{name}", read(*PACKAGE, name), 0o644) for name in sorted(os.listdir(os.path.join(ROOT, *PACKAGE))) if name.endswith(".py")]
    files.append(("girin/bin/girin", program, 0o755))
    for name in ("LICENSE", "THIRD_PARTY_NOTICES"):
        files.append((f"{info}/licenses/{name}", read(name), 0o644))
    sbom = os.environ.get("GIRIN_SBOM")
    if sbom:
        with open(sbom, "rb") as f:
            files.append((f"{info}/sboms/girin.cdx.json", f.read(), 0o644))
    wheel = "Wheel-Version: 1.0\nGenerator: girin\nRoot-Is-Purelib: false\n" + "".join(f"Tag: py3-none-{p}\n" for p in platforms)
    files += [
        (f"{info}/METADATA", metadata(source).encode(), 0o644),
        (f"{info}/WHEEL", wheel.encode(), 0o644),
        (f"{info}/entry_points.txt", b"[console_scripts]\ngirin = girin:main\n", 0o644),
    ]
    files.append((f"{info}/RECORD", record(files, info), 0o644))
    name = f"girin-{source.version}-py3-none-{'.'.join(platforms)}.whl"
    write(os.path.join(folder, name), files, source.time)
    return name


def record(files: list[tuple[str, bytes, int]], info: str) -> bytes:
    lines = []
    for name, data, _ in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{info}/RECORD,,\n"]).encode()


def write(path: str, files: list[tuple[str, bytes, int]], moment: int) -> None:
    stamp = time.gmtime(moment)[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in files:
            entry = zipfile.ZipInfo(name, stamp)
            entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16  # Unix, a regular file
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as given:
        print(pack(given.read(), sys.argv[2].split("."), sys.argv[3], Source.find()))
