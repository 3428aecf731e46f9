"""A template: imports the app once, and forks workers from itself when the master asks.

With a configuration file it is forked from the arbiter, else started. It serves
nothing. What the app has started by the time of a fork, threads above all, is not
in the workers, as with gunicorn's --preload.
"""
from __future__ import annotations

import faulthandler
import json
import os
import signal
from time import monotonic_ns

from . import boot, descriptors, forking, signals, wire
from .control import Control
from .heritage import Heritage
from .importing import import_app, set_paths
from .settings import Settings


def main(loader) -> None:
    """Of a template that is started."""
    run(forking.reserve(), loader, Heritage())


def run(control_fd: int, loader, heritage: Heritage) -> None:
    """Ends with the master; in a worker it returns as boot.main does."""
    signals.ignore(signals.TELL + signals.END)
    control = Control(control_fd)
    descriptors.hide([*forking.RESERVED, control_fd])
    os.register_at_fork(after_in_child=descriptors.show)
    hello = control.hello()
    began = monotonic_ns()
    try:
        settings = Settings(hello)
        if settings.jobs:
            os.environ[wire.JOBS] = settings.jobs  # here, since the process may have been forked from one that was there before
            boot._late("joblog").replace_stderr()
        boot.patch(settings.worker_class)
        loader.offer()
        if heritage.server is None:
            set_paths(settings)
        faulthandler.register(signal.SIGUSR2, boot.STDERR, all_threads=True)  # where an import hangs it is told so
        heritage.app = heritage.app or import_app(settings.app, settings.worker_class, settings.paste_global)
        faulthandler.unregister(signal.SIGUSR2)
        boot.load_class(settings.worker_class)
        die_with_parent = forking.dies_with_parent()
        descriptors.check()
    except BaseException as e:
        boot.broken(control, e, str(hello.get("app")))
    if settings.gc_freeze:  # else collections write to what is shared
        boot.freeze()
    control.send_json(wire.READY, {"import_ms": (monotonic_ns() - began) / 1e6})
    fds, carried = _serve(control)
    forking.as_child(die_with_parent)
    forking.rename(forking.TEMPLATE, forking.WORKER)
    forking.inherit(fds)
    if carried:
        heritage.receive(json.loads(carried))
    boot.main(loader.leave, heritage)


def _serve(control: Control) -> tuple[list[int], bytes]:
    """Returns in each worker, with the descriptors that it inherits and what pre_fork has done."""
    master = os.getppid()
    while True:
        op, carried, fds = control.receive_fds()
        if op != wire.FORK:
            raise wire.ProtocolError(f"control message of kind {op} to a template")
        try:
            pid = forking.fork_orphan(master)
        except OSError as e:
            control.send(wire.FORKED, payload=str(e).encode())
        else:
            if pid == 0:
                control.close()
                return fds, carried
            control.send(wire.FORKED, pid)
        for fd in fds:
            os.close(fd)
