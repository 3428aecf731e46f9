"""Runs the configuration file once more, in a process that needs what JSON cannot carry."""
from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable

_MODULE = "python:"


class ConfigFile:
    """Made before the app is imported, as long as the shim's modules can be."""

    def __init__(self, settings) -> None:
        self._settings = settings
        self._configure: Callable | None = None
        if settings.log_config:
            from .logconfig import configure

            self._configure = configure

    def apply(self) -> dict[str, Callable]:
        """Configures logging as the settings say, and returns the file's hooks that are asked for."""
        settings = self._settings
        key = settings.log_config
        found = _variables(settings.config_file) if settings.hooks or key == "logconfig_dict" else {}
        if self._configure is not None:
            self._configure(key, found[key] if key == "logconfig_dict" else settings.cfg[key])
        return {name: found[name] for name in settings.hooks if callable(found.get(name))}


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
