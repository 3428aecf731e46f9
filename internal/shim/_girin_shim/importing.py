"""Finds the app, by gunicorn's rules, and explains why it cannot be found."""
from __future__ import annotations

import ast
import importlib
import os
import sys
import traceback
from importlib.machinery import ModuleSpec

IMPORT_FAILED = 3  # gunicorn's exit codes: the worker cannot boot,
APP_MISSING = 4  # and the app cannot be loaded


class AppError(Exception):
    """The module is there, the app in it is not."""


class NotAModule(ImportError):
    """What should name a module names a file."""


def import_app(spec: str):
    """Returns the app that "module:attribute" or "module:factory(1, k=2)" names.

    Without an attribute it is "application". Raises AppError if the object is
    missing or cannot be called, and whatever the import raises.
    """
    name, _, expression = spec.partition(":")
    expression = expression or "application"
    try:
        module = importlib.import_module(name)
    except ImportError:
        if name.endswith(".py") and os.path.exists(name):
            raise NotAModule(f"Failed to find application, did you mean '{name[:-3]}:{expression}'?") from None
        raise
    app = _evaluate(module, name, expression)
    if app is None:
        raise AppError(f"Failed to find application object: {expression!r}")
    if not callable(app):
        raise AppError(f"Application object must be callable: {spec!r} is of type {type(app).__name__}")
    return app


def _evaluate(module, name: str, expression: str):
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


def _attribute(module, name: str, tree: ast.expr, expression: str):
    """Looks up a name or a dotted name."""
    names: list[str] = []
    while isinstance(tree, ast.Attribute):
        names.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name):
        raise AppError(f"Failed to parse {expression!r} as an attribute name or function call.")
    names.append(tree.id)
    found = module
    for attribute in reversed(names):
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


def explain(error: BaseException, spec: str) -> tuple[int, str]:
    """Returns the exit code and the text for an app that cannot be imported."""
    if isinstance(error, AppError):
        return APP_MISSING, f"{error}{_instead(spec)}\n{_where()}"
    if isinstance(error, NotAModule):
        return IMPORT_FAILED, f"{error}\n{_where()}"
    text = "".join(traceback.format_exception(type(error), error, _app_part(error))).rstrip()
    if isinstance(error, SystemExit):
        text += f"\nHint: {spec.partition(':')[0]} ended the interpreter while it was imported."
    if isinstance(error, ModuleNotFoundError) and error.name:
        text += f"\nHint: {_missing(error.name, spec)}\n{_where()}\n{_search_path()}"
    else:
        text += f"\n{_where()}"
    return IMPORT_FAILED, text


def _instead(spec: str) -> str:
    """Names an app that the module has, where it has one under a usual name."""
    name = spec.partition(":")[0]
    module = sys.modules.get(name)
    for usual in ("app", "application", "api", "create_app()", "make_app()"):
        if callable(getattr(module, usual.rstrip("()"), None)):
            return f"\nHint: there is {name}:{usual}"
    return ""


def _missing(module: str, spec: str) -> str:
    top = module.partition(".")[0]
    if top == spec.partition(":")[0].partition(".")[0]:
        return (
            f"there is no module {module} in {os.getcwd()} or elsewhere on sys.path. "
            "Start in the app's folder, or name it with --chdir or --pythonpath."
        )
    if sys.prefix != sys.base_prefix:
        place = f"the virtual environment {sys.prefix}"
    else:
        place = f"{sys.executable}, which is in no virtual environment (--python PATH chooses another)"
    return f"{top} is not installed in {place}. Install it there: {sys.executable} -m pip install {top}"


def _where() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return f"Interpreter: {sys.executable} ({version})\nDirectory: {os.getcwd()}"


def _search_path() -> str:
    return "sys.path:" + "".join(f"\n  {path}" for path in sys.path)


def _app_part(error: BaseException):
    """The traceback without the frames of the shim and of the import system.

    There may be no others: where a module is missing or cannot be compiled they
    tell nothing, else the fault is the shim's and all are shown.
    """
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(("_girin_shim", "importlib", "_frozen_importlib")):
            return trace
        trace = trace.tb_next
    return None if isinstance(error, (ImportError, SyntaxError)) else error.__traceback__
