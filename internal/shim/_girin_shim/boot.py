"""A worker's life from its first message to its end, top to bottom."""
from __future__ import annotations

import atexit
import faulthandler
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable
from time import monotonic_ns

from . import accelerator, descriptors, detect, signals, wire
from .control import Control
from .errors import describe, flush_streams
from .importing import IMPORT_FAILED, WrongInterface, import_app, set_paths
from .settings import Settings
from .worker import Worker

STDERR = 2
_YOUNG = 1  # generation
MAX_TEXT = 16 << 10  # letters of an explanation, each at most six bytes in JSON


def main(loaded: Callable[[], None], heritage=None) -> None:
    """Runs the worker; loaded is called when no more shim modules are needed,
    heritage is there if the process was forked.

    Returns after Drain: the interpreter then ends as any program does.
    """
    for fd in (wire.CONTROL_FD, wire.RESPONSE_FD, wire.PAGE_FD, wire.ARENA_FD):
        os.set_inheritable(fd, False)
    dump_signal = _handle_signals()
    control = Control()
    hello = control.hello()
    try:
        settings = Settings(hello)
        if settings.jobs:
            os.environ[wire.JOBS] = settings.jobs  # here, since the process may have been forked from one that was there before
            _late("joblog").tell(control)
        worker = Worker(control, settings)
        _rename(settings.proc_name)
        worker.runner, tag, reason = descriptors.hide_opened(lambda: _new_runner(worker))
        worker.hooks = _hooks(worker, heritage)
        descriptors.hide(worker.descriptors())
    except Exception as e:
        broken(control, e, str(hello.get("app")))
    loaded()
    control.start(worker)
    began = monotonic_ns()
    try:
        if settings.switch_interval:
            sys.setswitchinterval(settings.switch_interval)
        if heritage is None:
            set_paths(settings)
        worker.hooks.load()
        worker.hooks.post_fork()
        worker.runner.init_process()
        worker.hooks.init_process()
        app = _load_app(worker, bool(tag))  # which may change the runner
        worker.runner.startup(app)
        signals.guard(worker.note_handler, worker.told)
        keeper = _keeps_sessions() if settings.sessions else ""  # before the objects are frozen
        if settings.gc_freeze:
            freeze()
        descriptors.check()
    except BaseException as e:
        worker.hooks.worker_exit()
        broken(control, e, settings.app)
    facts = _facts(worker)
    facts["import_ms"] = (monotonic_ns() - began) / 1e6
    facts["dump_signal"] = dump_signal
    facts["keeps_sessions"] = keeper
    off = bool(reason) and not (tag and settings.worker_class == "asgi")  # see accelerator.new_runner
    facts["accelerator"], facts["no_accelerator"] = ("", reason) if off else (tag, "")
    descriptors.show()
    descriptors.need(worker.descriptors())
    worker.serving = True
    control.send_json(wire.READY, facts)
    try:
        worker.runner.run()
    except Exception as e:  # nothing that the app left behind may keep up what serves no more
        worker.fatal(e)
    if worker.forked:  # an event loop that went on in a child of the app's
        worker.leave_child()
    if worker.runner.abandons or worker.hastens():
        worker.leave()
    worker.hooks.worker_exit()
    atexit.register(worker.note_end)  # the first that runs
    control.idle()


def _load_app(worker: Worker, accelerated: bool):
    """Imports the app, and gives the worker what it is to run."""
    settings = worker.settings
    app = worker.hooks.imported() or _import(worker, accelerated)
    worker.hooks.post_worker_init(app)
    if needs_loop(app, settings):
        _become_loop(worker, accelerated)
    elif settings.worker_class != "asgi":
        worker.app = worker.hooks.wrap(app)
        if settings.log_environ:
            worker.app = _late("noting").NotingApp(worker.app, settings.log_environ)
        if os.environ.get(wire.JOBS):
            worker.app = _late("jobs").JobApp(worker.app, worker)
    if "girin.tasks" in sys.modules:
        _late("jobs").tell_schedules(worker.control.log)
    return app


def _handle_signals() -> int:
    """Returns the signal on which faulthandler writes all stacks to stderr.

    It does so even while Python runs no bytecode. The handlers are C code:
    nothing here depends on a signal handler in Python.
    """
    # A KeyboardInterrupt in the shim's own code would break its state.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signals.ignore(signals.TELL)
    faulthandler.enable(STDERR)
    realtime = getattr(signal, "SIGRTMIN", None)
    number = realtime + 10 if realtime else signal.SIGUSR2
    faulthandler.register(number, STDERR, all_threads=True)
    return int(number)


def freeze() -> None:
    """Takes what there is by now out of all later collections: of an app's modules and
    classes hardly anything becomes garbage, and looking through them stops every thread
    (measured with Flask: the longest pause falls from 6 ms to 0.2 ms). What is old has been looked
    through while it was imported; to do so once more would make a start 30 ms longer."""
    gc.collect(_YOUNG)
    gc.freeze()


def patch(worker_class: str) -> None:
    """Does what the class must do before the app is imported."""
    if worker_class == "gevent":
        _late("greenlets").patch()


def load_class(worker_class: str) -> None:
    """Imports what the class needs into a process that workers are forked from, as gunicorn's master does."""
    _late({"gevent": "greenlets", "gaiohttp": "eventloop", "asgi": "asgi.loop"}.get(worker_class, "threads"))
    if worker_class == "gevent":
        try:
            import gevent.event
            import gevent.monkey
            import gevent.socket  # noqa: F401
        except ImportError:
            pass  # the worker says what is missing


def _new_runner(worker: Worker) -> tuple:
    """The runner, the accelerator's tag, and why it is not used."""
    runner, tag, reason = accelerator.new_runner(worker)
    return runner or _runner_class(worker.settings.worker_class)(worker), tag, reason


def _runner_class(name: str):
    """The class that runs requests; the event loops are loaded only if asked for."""
    if name == "gevent":
        from .greenlets import Greenlets

        return Greenlets
    if name == "gaiohttp":
        from .eventloop import EventLoop

        return EventLoop
    if name == "asgi":
        from .asgi.loop import Loop

        return Loop
    from .threads import Threads

    return Threads


def _import(worker: Worker, accelerated: bool):
    """Imports the app. If it is an ASGI app whose import has made the thread a loop, or needs a running one,
    the worker is of the class asgi afterwards."""
    settings = worker.settings
    loops = sys.modules.get("asyncio") and _late("asgi.importing")
    before = loops and loops.current()  # of the class asgi, or the configuration file's
    try:
        app = import_app(settings.app, settings.worker_class, settings.paste_global)
    except RuntimeError as e:
        loops = _late("asgi.importing")
        if settings.worker_class == "gevent" or not loops.wants_loop(e):
            raise
        if settings.worker_class != "asgi":
            _become_loop(worker, accelerated)
        return loops.import_within(worker.runner.loop, settings, e)
    if settings.worker_class == "asgi" or needs_loop(app, settings):
        loops = _late("asgi.importing")
        left = loops.left_by_app(before)
        if left is not None or settings.worker_class == "asgi" and not loops.serves(worker.runner.loop):
            _become_loop(worker, accelerated, left)
    return app


def _become_loop(worker: Worker, accelerated: bool, event_loop=None) -> None:
    """Gives the worker an event loop to run, a new one if none is given, whatever the class says."""
    before = worker.runner if worker.settings.worker_class == "asgi" else None
    worker.settings.worker_class = "asgi"
    loop = _late("asgi.accelerated").AcceleratedLoop if accelerated else _late("asgi.loop").Loop
    worker.runner = descriptors.replace_opened(lambda: loop(worker, event_loop))
    if before is not None and not before.loop.is_running():
        before.loop.close()


def needs_loop(app, settings: Settings) -> bool:
    """Must the app have an event loop that its class has not? Raises WrongInterface where
    the class cannot run it."""
    asgi = detect.is_asgi(app)
    if settings.worker_class == "asgi":
        if not asgi and detect.is_wsgi(app):
            raise WrongInterface(f"{settings.app!r} is a WSGI application: the class asgi runs ASGI applications only. Leave -k asgi out.")
        return False
    if asgi and settings.worker_class == "gevent":
        raise WrongInterface(f"{settings.app!r} is an ASGI application: gevent has patched what its event loop stands on. Leave -k gevent out.")
    return asgi


def _late(name: str):
    """A module of the shim's that few workers need: reading all would double the time
    that a start takes beyond Python's own."""
    finder = __spec__.loader
    finder.enter()
    try:
        return importlib.import_module("." + name, __package__)
    finally:
        finder.leave()


def _hooks(worker: Worker, heritage):
    if worker.settings.config_file or heritage is not None and heritage.server is not None:
        from .hooks import Hooks
        from .heritage import Heritage

        return Hooks(worker, heritage or Heritage())
    from .nohooks import NoHooks

    return NoHooks(worker, heritage and heritage.app)


def broken(control: Control, error: BaseException, app: str) -> None:
    try:
        code, text = _late("advice").explain(error, app)
    except Exception:  # no memory, perhaps
        code, text = IMPORT_FAILED, describe(error)
    if not control.send_json(wire.BROKEN, {"code": code, "text": text[-MAX_TEXT:]}):
        os.write(STDERR, f"girin: {text}\n".encode("utf-8", "backslashreplace"))
    flush_streams()
    os._exit(code)  # threads that the app left behind must not hold this up


def _facts(worker: Worker) -> dict:
    return {
        "version": wire.VERSION,
        "pid": os.getpid(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "implementation": sys.implementation.name,
        "gil": worker.look_at_gil(),
        "free_threaded": "t" in getattr(sys, "abiflags", ""),
        "interface": "asgi" if worker.settings.worker_class == "asgi" else "wsgi",
        "modules": worker.runner.modules,
        "script_name": os.environ.get("SCRIPT_NAME", ""),
    }


def _keeps_sessions() -> str:
    try:
        return _late("sessions").keeper()
    except Exception:  # of what is the app's, or a library's that has become another
        return ""


def _rename(name: str) -> None:
    """Names the process for ps and top: at most 15 bytes, and only on Linux."""
    if name:
        try:
            with open("/proc/self/comm", "w") as file:
                file.write(name[:15])
        except OSError:
            pass
