"""Girin serves Python web applications; this package brings its program, and what
applications may import: task and current_job.

The command `girin`, `python -m girin` and girin.main() all become bin/girin
beside this file, which is told by which interpreter it was started. Where girin
is not installed for the application's Python, its workers bring this package.
"""
from __future__ import annotations

import os
import sys

__all__ = ["binary", "current_job", "main", "replace_gunicorn", "task"]

_LAZY = {"task": "tasks", "Task": "tasks", "current_job": "jobs", "Job": "jobs", "JobFailed": "jobs", "JobsError": "jobs"}


def __getattr__(name: str):
    if name == "__version__":
        from importlib.metadata import version  # only here: it takes longer to load than all else

        return version("girin")
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def binary() -> str:
    """Returns the path of girin's program."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "girin")
    if archive := getattr(globals().get("__loader__"), "archive", None):
        raise FileNotFoundError(f"the system cannot run a program that lies in {archive}: install girin with pip, or pack with a tool that unpacks (shiv, pex)")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"girin's program is not at {path}: was the package installed whole?")
    return path


def main() -> None:
    """Becomes girin, in this same process: signals and systemd see the server itself."""
    try:
        _become()
    except FileNotFoundError as e:
        sys.exit(f"girin: {e}")
    except OSError as e:  # a file system without execution, another machine's program
        sys.exit(f"girin: {binary()}: {e.strerror}")


def _become() -> None:
    program = binary()
    if not os.access(program, os.X_OK):  # some installers and image stages lose the mode
        os.chmod(program, 0o755)
    if limit := _short_of_space():
        sys.exit(f"girin: {limit}")
    if sys.executable:
        # The process id tells girin that the variable is its own and was not inherited: exec keeps the id.
        os.environ["GIRIN_LAUNCHER"] = f"{os.getpid()}:{sys.executable}"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, ["girin", *sys.argv[1:]])


# bytes; below it Go's runtime ends the program before its first line, and often in words of its own
LEAST_SPACE = 1400 << 20


def _short_of_space() -> str:
    """The limit of the system under which the program cannot start; "": there is none."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit >= LEAST_SPACE:
        return ""
    return f"the address space: limited to {limit >> 10} KiB (ulimit -v; LimitAS=); a server takes 1.8 GiB of it, nearly all unused"


def replace_gunicorn() -> None:
    """Becomes girin where gunicorn reads gunicorn.conf.py; under girin it does nothing.

    For platforms that start gunicorn themselves. girin takes the same command
    line, $GUNICORN_CMD_ARGS and configuration file.
    """
    if "gunicorn.app.base" in sys.modules and os.path.basename(sys.argv[0]) in ("gunicorn", "__main__.py"):
        main()
