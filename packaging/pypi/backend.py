"""The build backend (PEP 517) of girin's source: pip runs it where no wheel fits.

It needs Go. With a C compiler and Python's headers the wheel brings the shim in
C for the Python that builds it, as `make build` does.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wheel  # noqa: E402
from source import ROOT, Source, write_archive  # noqa: E402


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    source = Source.find()
    if sys.platform == "win32":
        raise SystemExit("girin: it does not run on Windows itself: install it in WSL (https://learn.microsoft.com/windows/wsl/install) or in a container")
    if not shutil.which("go"):
        raise SystemExit("girin: no wheel fits this platform, and building it needs Go: https://go.dev/doc/install")
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([os.path.join(ROOT, "scripts", "build-accelerator")], check=True,
                       env={**os.environ, "PYTHON": sys.executable})
        program = os.path.join(work, "girin")
        subprocess.run([os.path.join(ROOT, "packaging", "program"), program], check=True)
        with open(program, "rb") as f:
            return wheel.pack(f.read(), [platform()], wheel_directory, source)


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    source = Source.find()
    return write_archive(sdist_directory, source, wheel.metadata(source))


def platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
