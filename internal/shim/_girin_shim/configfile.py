"""Runs the configuration file, and tells its settings in a form that JSON has."""
from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import types
from collections.abc import Callable

_MODULE = "python:"
_INTERRUPTED = 130  # of a program that SIGINT ended, as shells have it
_VARARGS = 4  # of co_flags: inspect.CO_VARARGS

# With what each hook is called; post_request may leave out the last two.
HOOKS = {
    "on_starting": ("server",),
    "on_reload": ("server",),
    "when_ready": ("server",),
    "pre_fork": ("server", "worker"),
    "post_fork": ("server", "worker"),
    "post_worker_init": ("worker",),
    "worker_int": ("worker",),
    "worker_abort": ("worker",),
    "pre_exec": ("server",),
    "pre_request": ("worker", "req"),
    "post_request": ("worker", "req", "environ", "resp"),
    "child_exit": ("server", "worker"),
    "worker_exit": ("server", "worker"),
    "nworkers_changed": ("server", "new_value", "old_value"),
    "on_exit": ("server",),
    "ssl_context": ("config", "default_ssl_context_factory"),
}


class ConfigFile:
    """What one run of the file has left behind."""

    def __init__(self, variables: dict) -> None:
        self.variables = variables
        self.hooks: dict[str, Callable] = {}
        self._wrong: dict[str, str] = {}
        for name in HOOKS:
            if variables.get(name) is not None:
                self._take_hook(name, variables[name])

    def _take_hook(self, name: str, value) -> None:
        try:
            function = _named(value) if isinstance(value, str) else value
        except (ImportError, AttributeError, ValueError) as e:
            self._wrong[name] = f"{value!r} cannot be found: {e}"
            return
        if not callable(function):
            return  # the master says what is wrong
        arguments = HOOKS[name]
        if takes(function, len(arguments)) or name == "post_request" and any(takes(function, n) for n in (2, 3)):
            self.hooks[name] = function
        else:
            self._wrong[name] = f"it is called as {name}({', '.join(arguments)}), which the function does not take"

    def tell(self, keys: set[str]) -> dict:
        """The settings by name, and what other variables with plain values there are."""
        plain = (bool, int, float, str, list, tuple, dict)
        values = {name: _tagged(value) for name, value in self.variables.items() if name in keys}
        if "server_header" not in values and (name := _server_name()) is not None:
            values["server_header"] = ["value", name]
        for name, function in self.hooks.items():
            values[name] = ["callable", getattr(function, "__qualname__", type(function).__name__)]
        for name, why in self._wrong.items():
            values[name] = ["wrong", why]
        others = [
            name
            for name, value in self.variables.items()
            if name not in keys and name.islower() and name[0] != "_" and isinstance(value, plain)
        ]
        return {"values": values, "others": others}


def run(location: str) -> ConfigFile:
    """Runs python:MODULE, anew if it ran before, or the file at a path."""
    if not location.startswith(_MODULE):
        return ConfigFile(_run_path(location))
    name = location[len(_MODULE) :]
    if name in sys.modules:
        return ConfigFile(vars(importlib.reload(sys.modules[name])))
    __import__(name)  # unlike importlib's function it leaves no trace in tracebacks
    return ConfigFile(vars(sys.modules[name]))


def _run_path(location: str) -> dict:
    module = types.ModuleType("__config__")
    module.__file__ = os.path.abspath(location)
    sys.modules["__config__"] = module
    with open(location, "rb") as source:
        code = compile(source.read(), module.__file__, "exec")
    exec(code, vars(module))
    return vars(module)


def _server_name() -> str | None:
    """What the file has set gunicorn.SERVER to, which gunicorn's answers name in the field Server."""
    name = getattr(sys.modules.get("gunicorn"), "SERVER", None)
    return name.strip() if isinstance(name, str) and name != "gunicorn" else None


def explain(error: BaseException) -> str:
    """The traceback without the shim's own frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("_girin_shim"):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def status_of(error: BaseException) -> int | None:
    """The exit status of a program that the error ends as gunicorn, which catches others; None: it is one of those."""
    if isinstance(error, SystemExit):
        code = error.code
        return code & 0xFF if isinstance(code, int) else int(code is not None)
    return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else None


def takes(function: Callable, count: int) -> bool:
    """Can it be called with so many positional arguments?"""
    code = getattr(function, "__code__", None)
    if code is None:
        from inspect import signature  # not for every start: it takes milliseconds

        try:
            signature(function).bind(*range(count))
        except TypeError:
            return False
        except ValueError:  # a function of C that does not tell
            return True
        return True
    if isinstance(function, types.MethodType):
        count += 1
    needed = code.co_argcount - len(function.__defaults__ or ())
    needs_keyword = code.co_kwonlyargcount > len(function.__kwdefaults__ or ())
    return needed <= count and (count <= code.co_argcount or bool(code.co_flags & _VARARGS)) and not needs_keyword


def _named(path: str) -> Callable:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _tagged(value) -> list:
    """A value as [sort, value], where sort tells functions and classes from data."""
    if isinstance(value, type):
        return ["class", value.__module__ + "." + value.__qualname__]
    if callable(value):
        return ["callable", getattr(value, "__qualname__", type(value).__name__)]
    try:
        return ["value", json.loads(json.dumps(value, default=os.fspath, allow_nan=False))]
    except (TypeError, ValueError):
        return ["other", repr(value)]
