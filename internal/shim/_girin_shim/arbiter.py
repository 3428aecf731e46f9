"""The process of the configuration file: gunicorn's arbiter, as far as files know it.

It runs the file once, and again at each reload; it runs the master's hooks; and
workers are forked from it. It lives as long as the master, which sends messages
(see channel.py), each answered, in their order:

    {"op": "load", "location": ..., "dir": ..., "keys": [...], ...} -> {"done": true, "values": ..., "others": ...}
    {"op": "configure", "settings": {...}, ...}                  -> {"done": true, "log_lines": {"error": ..., ...}}
                                  with "tls", of ssl_context too -> {..., "tls": {"minimum": ..., ...}}
    {"op": "hook", "hook": "child_exit", "age": 3, "pid": 42}    -> {"done": true, "log_lines": ...}
    {"op": "fork", "role": "worker", "age": 3} and descriptors   -> {"done": true, "forked": 4711}
                                             what goes wrong     -> {"failed": "Traceback ...", "status": 3}
                        at any time, not as an answer, of logs   -> {"log": "text", "level": 20}

A hook that others wait for too long is interrupted by a signal: HookTooLong is
raised wherever it is.
"""
from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable

from . import boot, configfile, descriptors, forking, gunicornmodule, signals, template
from .advice import explain
from .channel import Channel
from .cfg import Cfg
from .errors import flush_streams
from .heritage import Heritage, carry
from .importing import add_path, import_app, set_paths
from .logserver import Logs
from .objects import Application, Arbiter, GunicornWorker, Listener
from .settings import Settings

_STDERR = 2
_INTERNAL = 70  # EX_SOFTWARE
_KEPT = 3  # configurations that workers may still be forked with: an older one after a reload that failed


class HookTooLong(BaseException):
    """Others wait for the hook that is running."""


class Configuration:
    """One run of the file, and the settings that came of it."""

    def __init__(self, serial: int, file: configfile.ConfigFile, settings: Settings, cfg: Cfg) -> None:
        self.serial = serial
        self.file = file
        self.settings = settings
        self.cfg = cfg
        self.app = Application(settings.app, cfg)
        self.environ: dict[str, str] = {}  # as it was when the next one came


class Place:
    """What a file may change although its settings cannot be used."""

    def __init__(self) -> None:
        self._cwd, self.environ, self._path = os.getcwd(), dict(os.environ), sys.path[:]

    def restore(self) -> None:
        os.chdir(self._cwd)
        set_environ(self.environ)
        sys.path[:] = self._path

    def redo(self, before: Place) -> None:
        """Changes once more what changed from before to this. What else has changed since stays."""
        for name in before.environ.keys() | self.environ.keys():
            value = self.environ.get(name)
            if value == before.environ.get(name):
                continue
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self._path != before._path:
            sys.path[:] = self._path
        if self._cwd != before._cwd:
            os.chdir(self._cwd)


def set_environ(wanted: dict[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


class Process:
    """Answers the master's messages. In a forked process serve returns what that is to do."""

    def __init__(self, loader) -> None:
        self._pid = os.getpid()
        self._loader = loader
        self._channel = Channel(forking.reserve())
        self._logs = Logs(self._channel)
        self._server = Arbiter(os.getppid(), lambda n: self._channel.send(scale=n))
        self._workers: dict[int, GunicornWorker] = {}  # by age
        self._file = configfile.ConfigFile({})  # the last that was run
        self._place: Place | None = None  # before it ran
        self._aside: tuple[Place, Place] | None = None  # before it ran and after it, while others run
        self._now: Configuration | None = None
        self._kept: list[Configuration] = []
        self._template_environ: dict[str, str] = {}
        self._interruptible = False
        self._is_child = False
        self._die_with_parent = forking.dies_with_parent()
        self._interrupt = getattr(signal, "SIGRTMIN", signal.SIGUSR2 - 11) + 11
        descriptors.hide([*forking.RESERVED, self._channel.fileno()])
        self._handle_signals()
        signals.settle_in_children(self._after_fork)

    def serve(self) -> Callable[[], None] | None:
        self._channel.send(interrupt=self._interrupt)
        while True:
            came = self._channel.receive()
            if came is None:
                return None
            message, fds = came
            operation = getattr(self, "_" + message.pop("op"))
            try:
                answer = operation(fds=fds, **message) if fds else operation(**message)
            except BaseException as e:
                if os.getpid() != self._pid:
                    raise
                answer = {"failed": configfile.explain(e), "status": configfile.status_of(e)}
            if callable(answer):
                return answer
            if os.getpid() != self._pid:
                os._exit(0)  # the file or a hook has forked, and the child came back
            self._must_be_open()
            flush_streams()
            self._handle_signals()
            self._channel.send(**{"done": "failed" not in answer, **answer})

    def _must_be_open(self) -> None:
        """The file or a hook may have closed the channel, by other means than Python's."""
        try:
            descriptors.check()
        except descriptors.Closed as e:
            os.write(_STDERR, f"girin: {e}\n".encode())
            os._exit(_INTERNAL)

    # What the master asks for.

    def _load(self, location: str, dir: str, keys: list[str], argv: list[str] | None = None) -> dict:
        self._leave_unused()
        self._aside = None
        self._place = Place()
        os.chdir(dir)
        add_path(dir)
        if argv:
            sys.argv[:] = argv
        try:
            file = self._call(configfile.run, location)
        except BaseException:
            self._leave_unused()
            raise
        self._file = file
        return file.tell(set(keys))

    def _leave_unused(self) -> None:
        """The file ran, and its settings could not be used."""
        if self._place is not None:
            self._place.restore()
            self._place = None

    def _set_aside(self) -> None:
        """The file ran, and its settings are not in effect, nor may ever be: what comes
        meanwhile, as the fork of a worker does, belongs to those before."""
        if self._place is not None:
            self._aside = self._place, Place()
            self._leave_unused()

    def _take_up(self) -> None:
        """The settings take effect of a file that was set aside."""
        if self._aside is not None:
            (before, after), self._aside = self._aside, None
            self._place = Place()
            after.redo(before)

    def _configure(self, serial: int, settings: dict, from_file: list[str] | None, listeners: list | None, user: dict | None, tls: bool = False, fds: list[int] = []) -> dict:
        self._take_up()
        made = {}
        place, self._place = self._place or Place(), None
        first = self._now is None
        try:
            self._take(Settings(settings), serial, from_file or [], listeners or [], place)
            if tls:  # before the user changes, who may not read the key
                made = self._make_context(first)
        except BaseException:
            place.restore()
            if self._now is not None:
                self._logs.configure(self._now.cfg)
            raise
        for number, fd in zip((1, 2, 0), fds):  # standard output, error and input
            flush_streams()
            os.dup2(fd, number)
            os.close(fd)
        if user is not None and os.geteuid() == 0:
            os.setgroups(user["groups"])
            os.setgid(user["gid"])
            os.setuid(user["uid"])
            self._die_with_parent()  # the kernel forgets it where the user changes
        return {**self._changed(), **made}

    def _make_context(self, must: bool) -> dict:
        """What ssl_context comes to. At a reload one that fails leaves TLS as it is: the user may not
        be able to read the key."""
        self._loader.enter()
        from . import tlscontext

        self._loader.leave()
        cfg = self._now.cfg
        try:
            return {"tls": self._call(tlscontext.made_by, cfg.ssl_context, cfg)}
        except Exception as e:
            if must:
                raise
            return {"tls_failed": configfile.explain(e)}

    def _changed(self) -> dict:
        """What the master follows of what settings and hooks change."""
        return {"log_lines": self._logs.wanted(), "script_name": os.environ.get("SCRIPT_NAME", "")}

    def _take(self, settings: Settings, serial: int, from_file: list[str], listeners: list, place: Place) -> None:
        values = settings.cfg
        for key in from_file:
            values[key] = self._file.variables[key]
        before = self._now
        configuration = Configuration(serial, self._file, settings, Cfg(values, self._file.hooks))
        if before is not None:
            before.environ = place.environ
            self._forget_env(before.cfg)
        set_paths(settings)
        os.chdir(settings.chdir)
        os.environ.update(configuration.cfg.env)
        self._logs.configure(configuration.cfg)
        boot.load_class(settings.worker_class)  # asyncio's logger is then none that disable_existing_loggers would disable
        boot._late("hooks")
        heard = [Listener(tuple(at) if isinstance(at, list) else at, url) for at, url in listeners]
        self._server.configure(configuration.cfg, configuration.app, self._logs.logger, heard)
        self._now = configuration
        self._kept = [*self._kept[1 - _KEPT :], configuration]

    def _forget_env(self, cfg: Cfg) -> None:
        """raw_env of the settings before."""
        for name in cfg.env:
            if name in cfg.env_orig:
                os.environ[name] = cfg.env_orig[name]
            else:
                os.environ.pop(name, None)

    def _hook(self, hook: str, age: int = 0, pid: int = 0, now: int = 0, before: int | None = None, carried: bool = False) -> dict:
        self._set_aside()
        self._server.see_promotion()
        arguments: tuple = (self._server,)
        if hook == "nworkers_changed":
            self._server.note_workers(now)
            arguments += (now, before)
        elif age:
            arguments += (self._follow(hook, age, pid),)
        function = self._now.file.hooks.get(hook)
        if function is not None:
            self._call(function, *arguments)
        answer = self._changed()
        if carried:
            self._load_carrying()
            answer["carried"], left = carry(arguments[1], self._template_environ, self._now.file.variables)
            if left:
                self._server.log.warning("With preload_app, what pre_fork has set on the worker and cannot be pickled stays behind: %s", ", ".join(left))
        return answer

    def _follow(self, hook: str, age: int, pid: int) -> GunicornWorker:
        """The same object for all of a worker's life: hooks keep things on it."""
        server = self._server
        worker = self._workers.get(age)
        if worker is None:
            worker = self._workers[age] = GunicornWorker(age, server)
            server.worker_age = max(age, server.worker_age)
        if pid:
            worker.pid = pid
            server.WORKERS[pid] = worker
        if hook == "child_exit":
            del self._workers[age]
            server.WORKERS.pop(pid, None)
        return worker

    def _fork(self, fds: list[int], role: str, serial: int, age: int = 0):
        self._set_aside()
        self._server.see_promotion()
        if role == "template":
            self._load_carrying()
        quiet = self._logs.quiet()
        try:
            pid = forking.fork_orphan(self._server.pid)
        finally:
            if quiet:
                self._logs.release()
        if pid == 0:
            return self._begin(fds, role, self._bequeath(serial, age))
        for fd in fds:
            os.close(fd)
        if role == "template":
            self._template_environ = dict(os.environ)
        return {"forked": pid}

    def _load_carrying(self) -> None:
        """What only preload_app needs."""
        self._loader.enter()
        from . import carrying as _

        self._loader.leave()

    def _begin(self, fds: list[int], role: str, heritage: Heritage) -> Callable[[], None]:
        """In the forked process: what it is to do."""
        forking.as_child(self._die_with_parent)
        self._loader.enter()
        if role == "template":
            forking.rename(forking.ARBITER, forking.TEMPLATE)
            return lambda: template.run(fds[0], self._loader, heritage)
        forking.rename(forking.ARBITER, forking.WORKER)
        forking.inherit(fds)
        return lambda: boot.main(self._loader.leave, heritage)

    def _bequeath(self, serial: int, age: int) -> Heritage:
        """What a forked process gets: of an earlier configuration, if it belongs to that."""
        chosen = next((kept for kept in self._kept if kept.serial == serial), self._now)
        server = self._server
        if chosen is not self._now:
            set_environ(chosen.environ)
            server.configure(chosen.cfg, chosen.app, server.log, server.LISTENERS)
        heritage = Heritage(chosen.file.hooks, server, self._follow("", age, 0) if age else None, self._logs, chosen.file.variables)
        heritage.app = chosen.app.callable
        return heritage

    def _logs_to(self, fds: list[int]) -> dict:
        descriptors.hide(fds)
        self._logs.serve(fds[0])
        return {}

    def _reopen(self) -> dict:
        self._server.log.reopen_files()
        return {}

    def _check(self) -> dict:
        """Imports the app as a worker would."""
        boot.patch(self._now.settings.worker_class)
        settings = self._now.settings
        try:
            boot.needs_loop(import_app(settings.app, settings.worker_class, settings.paste_global), settings)
        except BaseException as e:
            return {"failed": explain(e, settings.app)[1], "status": configfile.status_of(e)}
        return {}

    # How they are run.

    def _call(self, function: Callable, *arguments):
        self._interruptible = True
        try:
            return function(*arguments)
        finally:
            self._interruptible = False

    def _on_interrupt(self, number: int, frame) -> None:
        if self._interruptible:
            self._interruptible = False
            raise HookTooLong("it has run too long, and others wait")

    def _handle_signals(self) -> None:
        """Again after each piece of the file's code: the master ends this process by closing the channel."""
        signals.ignore(signals.TELL + signals.END)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(self._interrupt, self._on_interrupt)

    def _after_fork(self) -> None:
        """In any child that Python forks here: a worker, or a helper that the file starts."""
        if self._is_child:
            return
        self._is_child = True
        descriptors.show()
        self._channel.close()
        self._logs.leave()
        self._interruptible = False
        for name in signals.TELL + signals.END:
            number = getattr(signal, name)
            if signals.is_ignored(number):
                signal.signal(number, signal.SIG_DFL)


def main(loader) -> None:
    """Ends when the master closes the channel, as any program does; in a worker when that does."""
    process = Process(loader)
    loader.leave()
    gunicornmodule.offer()
    gc.freeze()
    then = process.serve()
    if then is not None:
        then()
