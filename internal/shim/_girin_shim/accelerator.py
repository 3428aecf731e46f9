"""Loads _girin, the inner loop in C, from a descriptor of the master's.

The master offers what it was built with: a sealed memfd for each CPython minor
version (cp311), and one for the stable ABI from 3.12 on (abi3). Without one that
fits, the worker runs in Python alone and says why.
"""
from __future__ import annotations

import os
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec

MODULE = "_girin_shim._girin"
CLASSES = ("sync", "gthread", "asgi")  # the others' loops are not this one
STABLE, STABLE_SINCE = "abi3", (3, 12)


def new_runner(worker) -> tuple:
    """Loads the build for this interpreter and closes the descriptors.

    Returns the runner that uses it, its tag and "", or None, "" and the reason; None, its tag
    and the reason where that is one for WSGI applications only: nobody knows yet what this one is.
    """
    settings = worker.settings
    offered: dict[str, int] = settings.accelerators
    try:
        tag, reason = _choose(settings)
        if not tag:
            return None, "", reason
        runner = _load(offered[tag], settings.worker_class)
        reason = _not_for_wsgi(settings) if settings.worker_class != "asgi" else ""
        return None if reason else runner(worker), tag, reason
    except Exception as e:
        return None, "", f"it cannot be loaded: {type(e).__name__}: {e}"
    finally:
        for fd in offered.values():
            os.close(fd)


def _choose(settings) -> tuple[str, str]:
    offered = settings.accelerators
    if settings.worker_class not in CLASSES:
        return "", f"there is none for the class {settings.worker_class}"
    if not offered:
        return "", "none was offered"
    version = sys.version_info[:2]
    if sys.implementation.name != "cpython":
        return "", f"there is one for CPython only, not for {sys.implementation.name}"
    if "t" in sys.abiflags:
        return "", "there is none for free-threaded builds of CPython"
    own = "cp%d%d" % version
    if own in offered:
        return own, ""
    if version >= STABLE_SINCE and STABLE in offered:
        return STABLE, ""
    return "", "none was built for CPython %d.%d" % version


def _not_for_wsgi(settings) -> str:
    """What of the settings the C code does not know; ASGI applications have nothing of it."""
    hooks = settings.request_hooks
    if hooks:
        return f"{' and '.join(hooks)} {'are' if len(hooks) > 1 else 'is'} set"
    return "access_log_format names variables that the application may set" if settings.log_environ else ""


def _load(fd: int, worker_class: str) -> type:
    path = f"/proc/self/fd/{fd}"
    loader = ExtensionFileLoader(MODULE, path)
    module = loader.create_module(ModuleSpec(MODULE, loader, origin=path))
    loader.exec_module(module)
    sys.modules[MODULE] = module
    if worker_class == "asgi":
        from .asgi.accelerated import AcceleratedLoop

        return AcceleratedLoop
    from .accelerated import AcceleratedThreads

    return AcceleratedThreads
