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
CLASSES = ("sync", "gthread")  # the others' loops are not this one
STABLE, STABLE_SINCE = "abi3", (3, 12)


def load(settings) -> tuple[str, str]:
    """Loads the build for this interpreter and closes the descriptors.

    Returns its tag and "", or "" and the reason why there is none.
    """
    offered: dict[str, int] = settings.accelerators
    try:
        if settings.request_hooks:
            return "", "pre_request and post_request are called from Python"
        tag, reason = _choose(settings)
        if tag:
            _load(offered[tag])
        return tag, reason
    except Exception as e:
        return "", f"it cannot be loaded: {type(e).__name__}: {e}"
    finally:
        for fd in offered.values():
            os.close(fd)


def _choose(settings) -> tuple[str, str]:
    offered = settings.accelerators
    if settings.worker_class not in CLASSES:
        return "", f"the class {settings.worker_class} has none"
    if settings.request_hooks:
        return "", "pre_request and post_request need the shim in Python"
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


def _load(fd: int) -> None:
    path = f"/proc/self/fd/{fd}"
    loader = ExtensionFileLoader(MODULE, path)
    module = loader.create_module(ModuleSpec(MODULE, loader, origin=path))
    loader.exec_module(module)
    sys.modules[MODULE] = module
