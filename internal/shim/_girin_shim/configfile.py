"""Runs the configuration file once more, in the process that needs its hooks."""
from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable

_MODULE = "python:"


def load_hooks(location: str, names: list[str]) -> dict[str, Callable]:
    """Returns those functions of the file, or of python:MODULE."""
    found = _variables(location)
    return {name: found[name] for name in names if callable(found.get(name))}


def _variables(location: str) -> dict:
    if location.startswith(_MODULE):
        name = location[len(_MODULE) :]
        __import__(name)  # unlike importlib's function it leaves no trace in tracebacks
        return vars(sys.modules[name])
    module = types.ModuleType("__config__")
    module.__file__ = os.path.abspath(location)
    sys.modules["__config__"] = module
    with open(location, "rb") as source:
        code = compile(source.read(), module.__file__, "exec")
    exec(code, vars(module))
    return vars(module)
