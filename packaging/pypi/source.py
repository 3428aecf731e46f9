"""What this source is, and the archive of it."""
from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path: str) -> bytes:
    """Returns a file of the source, by its path from the root."""
    with open(os.path.join(ROOT, *path), "rb") as f:
        return f.read()


@dataclass
class Source:
    version: str
    commit: str
    time: int  # of the commit, seconds since 1970

    @classmethod
    def find(cls) -> "Source":
        said = subprocess.run([os.path.join(ROOT, "scripts", "version")], check=True, capture_output=True, text=True)
        version, commit, moment = said.stdout.split()
        return cls(version, commit, int(moment))

    def release(self) -> bytes:
        """The file RELEASE, which scripts/version prints where there is no git."""
        return f"{self.version}\n{self.commit}\n{self.time}\n".encode()


def write_archive(folder: str, source: Source, metadata: str) -> str:
    """Writes the source archive into folder and returns its name; the same source gives the same bytes."""
    base = f"girin-{source.version}"
    files = {**tracked(), "RELEASE": (source.release(), 0o644), "PKG-INFO": (metadata.encode(), 0o644)}
    name = base + ".tar.gz"
    with open(os.path.join(folder, name), "wb") as out, gzip.GzipFile("", "wb", 9, out, source.time) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(files):
                data, mode = files[path]
                entry = tarfile.TarInfo(f"{base}/{path}")
                entry.size, entry.mode, entry.mtime = len(data), mode, source.time
                archive.addfile(entry, io.BytesIO(data))
    return name


def tracked() -> dict[str, tuple[bytes, int]]:
    """The files that belong to the source: git's, with what is changed in them, or all of an unpacked archive."""
    if os.path.exists(os.path.join(ROOT, ".git")):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
        names = [n for n in listed.decode().split("\0") if n]
    else:
        names = [os.path.relpath(os.path.join(d, f), ROOT) for d, _, found in os.walk(ROOT) for f in found]
        names = [n for n in names if not n.startswith(("bin/", "build/", "dist/")) and not n.endswith((".so", ".pyc"))]
    kept = {}
    for name in names:
        path = os.path.join(ROOT, name)
        if os.path.isfile(path):
            kept[name] = (read(name), 0o755 if os.access(path, os.X_OK) else 0o644)
    return kept
