"""gunicorn's cfg as hooks and loggers read it: the settings as they took effect."""
from __future__ import annotations

import os
from collections.abc import Callable

from .configfile import HOOKS
from .importing import global_conf

# gunicorn's worker classes, of which hooks may read the name.
_CLASS_NAMES = {"sync": "SyncWorker", "gthread": "ThreadWorker", "gevent": "GeventWorker", "gaiohttp": "AiohttpWorker", "auto": "ThreadWorker"}


class Setting:
    """One setting, as in cfg.settings."""

    def __init__(self, name: str, value) -> None:
        self.name = name
        self.value = value

    def get(self):
        return self.value

    def set(self, value) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<Setting {self.name} = {self.value!r}>"


class Cfg:
    """Each setting is an attribute of gunicorn's name, and an entry of settings."""

    def __init__(self, values: dict, hooks: dict[str, Callable] | None = None) -> None:
        self.__dict__.update(
            settings={name: Setting(name, value) for name, value in values.items()},
            env_orig=os.environ.copy(),
            usage=None,
            prog="girin",
        )
        for name in HOOKS:
            self.settings[name] = Setting(name, (hooks or {}).get(name, _no_hook))

    def __getattr__(self, name: str):
        if name == "settings":  # while it is copied
            raise AttributeError(name)
        setting = self.settings.get(name)
        if setting is None:
            raise AttributeError(f"No configuration setting for: {name}")
        return setting.value

    def __setattr__(self, name: str, value) -> None:
        if name in self.settings:
            raise AttributeError("Invalid access!")
        super().__setattr__(name, value)

    def __str__(self) -> str:
        return "\n".join(f"{name:32} = {self.settings[name].value}" for name in sorted(self.settings))

    def set(self, name: str, value) -> None:
        """Changes what hooks see; the server has started with its own."""
        if name not in self.settings:
            raise AttributeError(f"No configuration setting for: {name}")
        self.settings[name].set(value)

    def _value(self, name: str):
        return self.settings[name].value if name in self.settings else None

    @property
    def address(self) -> list:
        """(host, port), a unix socket's path or a descriptor, of each listener."""
        return [_address(bind) for bind in self._value("bind") or []]

    @property
    def uid(self) -> int:
        return self._value("user")

    @property
    def gid(self) -> int:
        return self._value("group")

    @property
    def env(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self._value("raw_env") or [])

    @property
    def is_ssl(self):
        return self._value("certfile") or self._value("keyfile")

    @property
    def ssl_options(self) -> dict:
        names = ("keyfile", "certfile", "ssl_version", "cert_reqs", "ca_certs", "suppress_ragged_eofs",
                 "do_handshake_on_connect", "ciphers")
        return {name: self._value(name) for name in names}

    @property
    def proc_name(self) -> str:
        return self._value("proc_name") or self._value("default_proc_name") or self._value("wsgi_app")

    @property
    def worker_class_str(self) -> str:
        return self._value("worker_class_str") or "sync"

    @property
    def worker_class(self) -> type:
        name = self.worker_class_str
        return type(_CLASS_NAMES.get(name, "Worker"), (), {"__module__": f"girin.workers.{name}"})

    @property
    def logger_class(self):
        return self._value("logger_class")

    @property
    def paste_global_conf(self) -> dict[str, str] | None:
        pairs = self._value("raw_paste_global_conf")
        return None if pairs is None else global_conf(pairs)

    @property
    def statsd_host(self):
        """As gunicorn's own logger for statsd takes it: (host, port) or a path."""
        text = self._value("statsd_host")
        if not isinstance(text, str) or not text:
            return text or None
        if text.startswith("unix://"):
            return text[len("unix://") :]
        host, _, port = text.rpartition(":")
        return host.strip("[]"), int(port)

    def forwarded_allow_networks(self) -> list:
        return _networks(self._value("forwarded_allow_ips"))

    def proxy_allow_networks(self) -> list:
        return _networks(self._value("proxy_allow_ips"))


def _no_hook(*arguments) -> None:
    """A hook that the configuration file does not define."""


def _networks(addresses) -> list:
    import ipaddress

    return [ipaddress.ip_network(address) for address in addresses or [] if address not in ("*", "none")]


def _address(bind: str):
    """Reads an address as gunicorn does."""
    if bind.startswith("fd://"):
        return int(bind[len("fd://") :])
    for prefix in ("unix://", "unix:"):
        if bind.startswith(prefix):
            return bind[len(prefix) :]
    bind = bind.removeprefix("tcp://")
    if bind.startswith("["):
        host, _, port = bind[1:].partition("]")
        return host.lower(), int(port.lstrip(":") or 8000)
    if bind.isdigit():
        return "0.0.0.0", int(bind)
    host, _, port = bind.partition(":")
    return host.lower() or "0.0.0.0", int(port or 8000)
