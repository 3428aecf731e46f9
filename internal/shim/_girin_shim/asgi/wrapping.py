"""Does what is no body pass through an app's middleware?

Starlette's FileResponse sends http.response.pathsend wherever that is offered. Middleware
that compresses would let such a file through as it is, and much that others wrote knows only
heads and bodies: the file is lost, and the client gets a 500. So it is offered only where
all middleware of a Starlette app is Starlette's own, and does not look at bodies.
"""
from __future__ import annotations

from opcode import opmap

from .. import detect

_KNOWN = ("starlette.", "fastapi.")
_PLAIN = (str, bytes, int, float, tuple, list, dict, set, frozenset, type(None))
_LOOK_AT_BODIES = ("starlette.middleware.gzip", "starlette.middleware.base")


def passes_files(app) -> bool:
    """False also if that cannot be told."""
    try:
        return not _calls_another(app) and _pass([app])
    except Exception:  # of attributes that are the app's own code
        return False


def _calls_another(app, seen: tuple = ()) -> bool:
    """Does an app of nobody's own hand on to one that is a variable of its module, with a send of its own?"""
    call = detect.call_of(app)
    code = getattr(call, "__code__", None)
    if code is None or _module(app).startswith(_KNOWN) or call in seen:
        return False
    named = [call.__globals__.get(name) for name in _names(code)]
    others = [one for one in named if one is not app and not isinstance(one, type) and detect.is_asgi3(one)]
    if not others:
        return False
    return not _chooses(app, call, named, others) or any(
        getattr(one, "__globals__", None) is not call.__globals__ or _inner(one) or _calls_another(one, (*seen, call)) for one in others)


def _chooses(app, call, named: list, others: list) -> bool:
    """Is it a function that only chooses between functions beside it, with nothing of which a send could be made?"""
    code = call.__code__
    return (
        app is call
        and not call.__defaults__
        and not call.__kwdefaults__
        and not any(hasattr(one, "co_code") for one in code.co_consts)
        and all(one is app or one in others or isinstance(one, _PLAIN) for one in named)
        and opmap["IMPORT_NAME"] not in code.co_code[::2]
    )


def _names(code) -> set[str]:
    """What a function, and those in it, may have of its module."""
    return set(code.co_names).union(*(_names(one) for one in code.co_consts if hasattr(one, "co_names")))


def _pass(left: list) -> bool:
    seen: set[int] = set()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if not _passes(_module(one), one):
            return False
        for middleware in getattr(one, "user_middleware", ()):
            if not _passes(_module(middleware.cls), None):
                return False
        left += _inner(one)
        left += getattr(one, "routes", None) or ()
    return True


def _passes(module: str, one) -> bool:
    """Of Starlette's own all that does not look at bodies; of another only if it wraps no app."""
    if module.startswith(_KNOWN):
        return module not in _LOOK_AT_BODIES
    return one is not None and not _inner(one)


def _module(one) -> str:
    """Where the code is that a call runs: of a class, that a call of its objects runs."""
    code = one if hasattr(one, "__code__") else getattr(one if isinstance(one, type) else type(one), "__call__", one)
    return getattr(code, "__module__", None) or ""


def _inner(one) -> list:
    """The apps that an object holds, or a function has closed over."""
    cells = getattr(one, "__closure__", None) or ()
    held = [cell.cell_contents for cell in cells] if cells else list(getattr(one, "__dict__", {}).values())
    return [value for value in held if not isinstance(value, type) and detect.is_asgi3(value)]
