"""The modules gunicorn and gunicorn.glogging, for configuration files that import them
where gunicorn is not installed: to subclass its Logger, or to set its names.
"""
from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

from .logconfig import CONFIG_DEFAULTS
from .logger import Logger, SafeAtoms


class _Finder:
    def find_spec(self, name: str, path=None, target=None):
        if name not in ("gunicorn", "gunicorn.glogging"):
            return None
        return ModuleSpec(name, self, origin="<girin>", is_package=name == "gunicorn")

    def create_module(self, spec):
        return None

    def exec_module(self, module) -> None:
        if module.__name__ == "gunicorn":
            module.SERVER, module.SERVER_SOFTWARE = "gunicorn", "gunicorn"
        else:
            module.Logger, module.SafeAtoms, module.CONFIG_DEFAULTS = Logger, SafeAtoms, CONFIG_DEFAULTS


def offer() -> None:
    """Behind all others: an installed gunicorn is found first."""
    sys.meta_path.append(_Finder())
