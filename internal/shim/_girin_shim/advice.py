"""Explains why an app cannot be found, and names what may have been meant."""
from __future__ import annotations

import ast
import os
import re
import sys
import traceback

from .importing import APP_MISSING, IMPORT_FAILED, AppError, NotAModule, WrongInterface

_USUAL = ("app", "application", "api", "create_app()", "make_app()")


def explain(error: BaseException, spec: str) -> tuple[int, str]:
    """Returns the exit code and the text for an app that cannot be imported."""
    if isinstance(error, WrongInterface):
        return APP_MISSING, f"{error}\n{_where()}"
    if isinstance(error, AppError):
        return APP_MISSING, f"{error}{_instead(spec)}\n{_where()}"
    if isinstance(error, NotAModule):
        meant = _module_of(error.args[0], spec.partition(":")[2])
        return IMPORT_FAILED, f"Failed to find application, did you mean {meant}?\n{_where()}"
    text = "".join(traceback.format_exception(type(error), error, _app_part(error))).rstrip()
    if isinstance(error, SystemExit):
        text += f"\nHint: {spec.partition(':')[0]} ended the interpreter while it was imported."
    if hidden := _hidden(error):
        text += f"\nHint: {hidden}\n{_where()}"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        text += f"\nHint: {_missing(error.name, spec)}\n{_where()}\n{_search_path()}"
    elif package := _package_of(error, spec):
        text += f"\nHint: {package}\n{_where()}"
    else:
        text += f"\n{_where()}"
    return IMPORT_FAILED, text


def _package_of(error: BaseException, spec: str) -> str:
    """How the app's module is named as a part of its package, if it is imported without one and asks for its neighbours."""
    from shlex import quote

    name, colon, expression = spec.partition(":")
    if not isinstance(error, ImportError) or "no known parent package" not in str(error) or "." in name:
        return ""
    above, folder = os.path.split(os.getcwd())
    meant = f"--chdir {quote(above)} {quote(f'{folder}.{name}{colon}{expression}')}" if folder.isidentifier() else "PACKAGE.MODULE, from the folder that its package is in"
    return f"{name} imports its neighbours (from . import ...), so it is part of a package: name it as {meant}"


def _instead(spec: str) -> str:
    """Names an app that the module has, under the nearest or a usual name."""
    name, _, expression = spec.partition(":")
    module = sys.modules.get(name)
    if hasattr(module, expression.partition("(")[0] or "application"):
        return ""  # it is there, and unfit
    found = _nearest(expression.partition("(")[0], vars(module)) if module is not None and expression else ""
    for usual in _USUAL if not found else ():
        if callable(getattr(module, usual.rstrip("()"), None)):
            found = usual
            break
    if not found and os.path.exists(os.path.join(os.path.dirname(getattr(module, "__file__", None) or ""), "wsgi.py")):
        return f"\nHint: Django's application is in {name}.wsgi:application" if hasattr(module, "__path__") else ""
    return f"\nHint: there is {name}:{found}" if found else ""


def _nearest(wrong: str, names: dict) -> str:
    from difflib import get_close_matches

    near = get_close_matches(wrong, [name for name, value in names.items() if name[:1] != "_" and callable(value)], 1)
    return near[0] if near and near[0] != wrong else ""


def _module_of(file: str, expression: str) -> str:
    """What to give instead of a file's path: it must work from here."""
    if os.path.basename(file) == "manage.py" and (project := _django_project(file)):
        return project
    expression = expression or _top_level_app(file)
    parts = os.path.normpath(file)[: -len(".py")].split(os.path.sep)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    if all(part.isidentifier() for part in parts):
        return f"'{'.'.join(parts)}:{expression}'"
    return f"--chdir {os.path.dirname(file)} '{parts[-1]}:{expression}'"


def _django_project(manage: str) -> str:
    """The application of the project that a manage.py is of, whose wsgi.py lies beside its settings or above."""
    folder = os.path.dirname(manage)
    with open(manage, encoding="utf-8", errors="replace") as source:
        named = re.search(r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)", source.read())
    parts = named[1].split(".")[:-1] if named else []
    while parts and not os.path.exists(os.path.join(folder, *parts, "wsgi.py")):
        parts.pop()
    chdir = f"--chdir {folder} " if folder else ""
    return f"{chdir}'{'.'.join(parts)}.wsgi:application'" if parts else ""


def _top_level_app(file: str) -> str:
    """The usual name that a file gives its app, without running it."""
    names = set()
    try:
        with open(file, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return "application"
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
    return next((usual for usual in ("application", *_USUAL) if usual.rstrip("()") in names), "application")


def _missing(module: str, spec: str) -> str:
    top = module.partition(".")[0]
    if top == spec.partition(":")[0].partition(".")[0]:
        return (
            f"there is no module {module} in {os.getcwd()} or elsewhere on sys.path. {_meant(top, spec)}"
            "Start in the app's folder, or name it with --chdir or --pythonpath."
        )
    if sys.prefix != sys.base_prefix:
        place = f"the virtual environment {sys.prefix}"
    else:
        place = f"{sys.executable}, which is in no virtual environment (--python PATH chooses another)"
    return f"{top} is not installed in {place}. Install it there: {sys.executable} -m pip install {top}"


def _hidden(error: BaseException) -> str:
    """A file of this folder that was imported in place of what it is named like, such as a flask.py."""
    from importlib.machinery import PathFinder

    lacking = re.search(r"module '([\w.]+)' has no attribute", str(error)) if isinstance(error, AttributeError) else None
    name = lacking[1] if lacking else getattr(error, "name", None) if isinstance(error, ImportError) else None
    top = (name or "").partition(".")[0]
    taken = PathFinder.find_spec(top) if top else None
    here = taken is not None and taken.origin and taken.origin.startswith(os.getcwd() + os.sep)
    if not here or taken.origin.startswith(sys.prefix + os.sep):  # an environment may lie in the application's folder
        return ""
    folder = os.path.dirname(taken.origin) if taken.submodule_search_locations is None else os.path.dirname(os.path.dirname(taken.origin))
    other = PathFinder.find_spec(top, [path for path in sys.path if os.path.realpath(path) != os.path.realpath(folder)])
    if other is None or not other.origin:
        return ""
    return f"{taken.origin} hides the {top} of {other.origin}: give it another name."


def _meant(top: str, spec: str) -> str:
    """The app with the name that a module of this folder has, or what a single word may have been."""
    from difflib import get_close_matches

    try:
        names = [entry.name if entry.is_dir() else entry.name[:-3] for entry in os.scandir() if entry.is_dir() or entry.name.endswith(".py")]
    except OSError:
        names = []
    if near := [name for name in get_close_matches(top, names, 1) if name != top]:
        return f"Did you mean {near[0]}{spec[len(top):]}? "
    return "If a command was meant: girin help lists them. " if spec.isidentifier() else ""


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
