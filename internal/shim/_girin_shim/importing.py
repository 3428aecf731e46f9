"""Finds the app, by gunicorn's rules."""
from __future__ import annotations

import importlib
import os
import re
import sys
from importlib.machinery import ModuleSpec
from keyword import iskeyword

from . import detect

IMPORT_FAILED = 3  # gunicorn's exit codes: the worker cannot boot,
APP_MISSING = 4  # and the app cannot be loaded

PASTE = "config:/"  # an app of this form is described by a PasteDeploy file: config:/srv/production.ini#main

_VARARGS = 0x04  # of co_flags, as in inspect


class AppError(Exception):
    """The module is there, the app in it is not."""


class WrongInterface(AppError):
    """The app is of a kind that the worker class cannot run."""


class NotAModule(ImportError):
    """What should name a module names a file, which is its argument."""


def import_app(spec: str, worker_class: str | None = None, paste_global: list[str] | None = None):
    """Returns the app that "module:attribute" or "module:factory(1, k=2)" names.

    Without an attribute it is "application". Raises AppError if the object is
    missing or cannot be called, or, if a worker class is given that serves WSGI, as no app is,
    and whatever the import raises. paste_global are pairs for a PasteDeploy file.
    """
    app = _load_paste(spec, paste_global) if spec.startswith(PASTE) else _import(spec)
    if app is None:
        raise AppError(f"Failed to find application object: {spec.partition(':')[2] or 'application'!r} is None")
    if not callable(app):
        raise AppError(f"Application object must be callable: {spec!r} is of type {type(app).__name__}")
    if worker_class is not None:
        _check_kind(app, spec, worker_class == "asgi")
    return app


def _import(spec: str):
    name, _, expression = spec.partition(":")
    expression = expression or "application"
    if os.path.sep in name:
        file = name if name.endswith(".py") else name + ".py"
        if os.path.exists(file):
            raise NotAModule(file)
    try:
        module = importlib.import_module(name)
    except ImportError:
        if name.endswith(".py") and os.path.exists(name):
            raise NotAModule(name) from None
        raise
    return _evaluate(module, name, expression)


def _load_paste(uri: str, pairs: list[str] | None):
    try:
        from paste.deploy import loadapp
    except ImportError as e:
        raise WrongInterface(f"--paste needs PasteDeploy in the application's environment: {sys.executable} -m pip install PasteDeploy ({e})") from None
    return loadapp(uri, relative_to=os.getcwd(), global_conf=global_conf(pairs or []))


def global_conf(pairs: list[str]) -> dict[str, str]:
    """Each is KEY=VALUE, where a backslash before = makes it a letter of the key or the value."""
    split = (re.split(r"(?<!\\)=", pair, maxsplit=1) for pair in pairs)
    return {key.replace("\\=", "="): value.replace("\\=", "=") for key, value in split}


def _check_kind(app, spec: str, in_loop: bool) -> None:
    """Refuses what can be seen to fail in each request: what is no app, or what makes one."""
    code = getattr(app, "__code__", None)  # of a function or method in Python
    if code is None or code.co_flags & _VARARGS or detect.is_asgi(app):
        return
    bound = hasattr(app, "__self__")
    takes = code.co_argcount - bound
    needs = takes - len(app.__defaults__ or ()) + code.co_kwonlyargcount - len(app.__kwdefaults__ or ())
    makes = app.__name__.startswith(("create", "make")) and needs == 0
    if makes or (takes == 0 if in_loop else needs > 2 or takes < 2):
        hint = f"\nHint: if it returns the application, name its call: {spec}()" if needs == 0 else ""
        kind = "scope, receive and send, as an ASGI" if in_loop else "environ and start_response, as a WSGI"
        raise AppError(f"{spec!r} cannot be called with {kind} application is.{hint}")


def _evaluate(module, name: str, expression: str):
    if expression.isidentifier() and not iskeyword(expression):
        return _find(module, name, expression)
    import ast  # it takes a millisecond

    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise AppError(f"Failed to parse {expression!r} as an attribute name or function call.") from None
    if not isinstance(tree, ast.Call):
        return _attribute(module, name, tree, expression)
    factory = _attribute(module, name, tree.func, expression)
    try:
        args = [ast.literal_eval(arg) for arg in tree.args]
        kwargs = {keyword.arg: ast.literal_eval(keyword.value) for keyword in tree.keywords}
    except ValueError:
        raise AppError(f"Failed to parse arguments as literal values: {expression!r}") from None
    try:
        return factory(*args, **kwargs)
    except TypeError as e:
        if e.__traceback__.tb_next is None:  # raised by the call, not inside it
            raise AppError(f"TypeError: {e}") from None
        raise


def _attribute(module, name: str, tree, expression: str):
    """Looks up a name or a dotted name."""
    import ast

    names: list[str] = []
    while isinstance(tree, ast.Attribute):
        names.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name):
        raise AppError(f"Failed to parse {expression!r} as an attribute name or function call.")
    names.append(tree.id)
    return _find(module, name, *reversed(names))


def _find(module, name: str, *attributes: str):
    found = module
    for attribute in attributes:
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise AppError(f"Failed to find attribute {attribute!r} in {name!r}.") from None
    return found


# Modules of the standard library that gunicorn has imported by the time it imports an
# app: files of these names in the app's folder are shadowed there, not here.
_LOADED_BY_GUNICORN = frozenset(
    """abc argparse array ast atexit base64 binascii bisect bz2 calendar codecs collections concurrent contextlib
    copy copyreg csv datetime dis email encodings enum errno fcntl fnmatch functools genericpath gettext glob grp
    heapq html importlib inspect io ipaddress itertools json keyword linecache locale logging lzma marshal math
    ntpath opcode operator os pathlib pickle platform posixpath pwd queue quopri random re reprlib select selectors
    shlex shutil signal site socket socketserver ssl stat string struct sys tempfile textwrap threading time token
    tokenize traceback types typing urllib warnings weakref zipfile zlib""".split()
)


def set_paths(settings) -> None:
    """Makes sys.path, sys.argv and __main__ what they are under gunicorn."""
    sys.argv[:] = settings.argv
    _be_a_program(settings.argv[0])
    for path in (settings.chdir or os.getcwd(), *map(os.path.abspath, settings.pythonpath)):
        add_path(path)


def add_path(path: str) -> None:
    """Makes modules in a folder the first that are found, but for those of gunicorn's own needs."""
    if path not in sys.path:
        _load_what_it_would_hide(path)
        sys.path.insert(0, path)


def _be_a_program(path: str) -> None:
    """Gives __main__ what that of a program has: libraries take one without __file__ for an
    interactive session. By its spec's name multiprocessing knows that it is not to be run again
    in the processes that it spawns."""
    main = sys.modules["__main__"]
    main.__file__ = os.path.abspath(path)
    main.__spec__ = ModuleSpec("girin.__main__", None, origin=main.__file__)


def _load_what_it_would_hide(folder: str) -> None:
    try:
        names = {name.partition(".")[0] for name in os.listdir(folder)}
    except OSError:
        return
    for name in sorted(names & _LOADED_BY_GUNICORN):
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # this Python has none
