"""Runs ssl_context, gunicorn's hook, and tells what its context comes to in the master's TLS.

No context of Python's encrypts anything here. What one was given and does not show
again, such as certificates, is noted while the hook runs. What the master cannot do
is an error if clients could get in by its lack, and a warning if they cannot.
"""
from __future__ import annotations

import base64
import contextlib
import os
import ssl
from collections.abc import Callable, Iterator

_V12, _V13 = int(ssl.TLSVersion.TLSv1_2), int(ssl.TLSVersion.TLSv1_3)
_OLDEST, _NEWEST = int(ssl.TLSVersion.MINIMUM_SUPPORTED), int(ssl.TLSVersion.MAXIMUM_SUPPORTED)
_CRL = ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF | ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN


class Notes:
    """What contexts were given, by their ids."""

    def __init__(self) -> None:
        self.chains: dict[int, list[tuple]] = {}
        self.folders: set[int] = set()
        self.protocols: dict[int, list[str]] = {}
        self.curves: set[int] = set()


def made_by(hook: Callable, cfg) -> dict:
    """What the master is to do as the hook's context would."""
    default = _default(cfg)
    with _noting() as notes:
        context = hook(cfg, lambda: _default(cfg))
    if not isinstance(context, _kind()):
        raise ValueError(f"ssl_context has returned {context!r}, which is no ssl.SSLContext")
    if context.sni_callback is not None:
        raise ValueError("ssl_context sets sni_callback, which girin cannot call: it has one certificate for all names")
    warnings: list[str] = []
    spoken = _spoken(context)
    if _V12 > context.minimum_version != default.minimum_version and context.minimum_version != _NEWEST:
        warnings.append("TLS 1.0 and 1.1 are not spoken, whatever its minimum_version is")
    if id(context) in notes.curves:
        warnings.append("set_ecdh_curve has no effect: the curves are Go's choice")
    if context.post_handshake_auth:
        warnings.append("post_handshake_auth has no effect: certificates are asked for in the handshake")
    answer = {
        "minimum": spoken[0],
        "maximum": spoken[-1],
        "tickets": not context.options & ssl.OP_NO_TICKET,
        "protocols": notes.protocols.get(id(context)),
        "verify": int(context.verify_mode),
        "authorities": _authorities(context, default, notes, warnings),
        **_chain(notes.chains.get(id(context)), cfg, warnings),
    }
    if _suites(context) != _suites(default):
        answer["ciphers"] = _suites(context)
    return {**answer, "warnings": warnings}


def _default(cfg) -> ssl.SSLContext:
    """What gunicorn's default_ssl_context_factory makes. Its ALPN is http_protocols'."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cfg.ca_certs or None)
    context.load_cert_chain(certfile=cfg.certfile, keyfile=cfg.keyfile or None)
    context.verify_mode = ssl.VerifyMode(cfg.cert_reqs or 0)
    if cfg.ciphers:
        context.set_ciphers(cfg.ciphers)
    return context


def _kind() -> type:
    """The library's own class, also if gevent has put another over it."""
    return ssl.SSLContext.__mro__[-3]


@contextlib.contextmanager
def _noting() -> Iterator[Notes]:
    notes = Notes()
    kind = _kind()
    plain = {name: getattr(kind, name) for name in ("load_cert_chain", "load_verify_locations", "set_alpn_protocols", "set_ecdh_curve")}
    own = {name: function for name, function in plain.items() if name in vars(kind)}

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        plain["load_cert_chain"](self, certfile, keyfile, password)
        notes.chains.setdefault(id(self), []).append((_path(certfile), _path(keyfile), password is not None))

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        plain["load_verify_locations"](self, cafile, capath, cadata)
        if capath is not None:
            notes.folders.add(id(self))

    def set_alpn_protocols(self, protocols):
        protocols = list(protocols)
        plain["set_alpn_protocols"](self, protocols)
        notes.protocols[id(self)] = protocols

    def set_ecdh_curve(self, name):
        plain["set_ecdh_curve"](self, name)
        notes.curves.add(id(self))

    for function in (load_cert_chain, load_verify_locations, set_alpn_protocols, set_ecdh_curve):
        setattr(kind, function.__name__, function)
    try:
        yield notes
    finally:
        for name in plain:
            if name in own:
                setattr(kind, name, own[name])
            else:
                delattr(kind, name)


def _path(name) -> str:
    return os.path.abspath(os.fsdecode(name)) if name else ""


def _spoken(context: ssl.SSLContext) -> list[int]:
    """Of TLS 1.2 and 1.3, what the context speaks."""
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError("ssl_context has returned a context for clients")
    lowest, highest = int(context.minimum_version), int(context.maximum_version)
    if lowest == _NEWEST:
        lowest = _V13
    if highest == _NEWEST:
        highest = _V13
    if context.protocol in (ssl.PROTOCOL_TLSv1, ssl.PROTOCOL_TLSv1_1):
        highest = _OLDEST
    if context.protocol == ssl.PROTOCOL_TLSv1_2:
        highest = _V12
    refused = {_V12: ssl.OP_NO_TLSv1_2, _V13: ssl.OP_NO_TLSv1_3}
    spoken = [v for v in (_V12, _V13) if lowest <= v <= highest and not context.options & refused[v]]
    if not spoken:
        raise ValueError("the context of ssl_context speaks neither TLS 1.2 nor 1.3, and girin speaks no other")
    return spoken


def _suites(context: ssl.SSLContext) -> list[str]:
    """Those of TLS 1.2: of 1.3 none can be chosen."""
    return [suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]


def _authorities(context: ssl.SSLContext, default: ssl.SSLContext, notes: Notes, warnings: list[str]) -> list[str] | None:
    """Who signs clients' certificates; None: those of ca_certs, or nobody is asked for one."""
    if context.verify_mode == ssl.CERT_NONE:
        return None
    if id(context) in notes.folders:
        raise ValueError("ssl_context loads a folder of authorities (capath), which girin cannot: load the file of each")
    more = context.verify_flags & ~default.verify_flags
    if more & _CRL:
        raise ValueError("ssl_context asks for revocation lists (verify_flags), which girin does not check")
    if more:
        warnings.append(f"verify_flags has no effect: {more!r}")
    found = context.get_ca_certs(binary_form=True)
    if not found:
        raise ValueError("ssl_context asks for clients' certificates (verify_mode) and loads no authority that may sign them")
    if sorted(found) == sorted(default.get_ca_certs(binary_form=True)):
        return None
    return [base64.b64encode(der).decode() for der in found]


def _chain(chains: list[tuple] | None, cfg, warnings: list[str]) -> dict:
    """The certificate, if it is not certfile's."""
    if chains is None:
        warnings.append("what certificate its context has cannot be seen, since the hook has not loaded it: it is certfile's")
        return {}
    if len(set(chains)) > 1:
        raise ValueError("ssl_context loads more than one certificate, of which girin shows one: make a context of its own for it, without the default factory")
    certfile, keyfile, password = chains[0]
    if password:
        raise ValueError("ssl_context loads a key with a password, which girin cannot: store the key without one")
    if (certfile, keyfile) == (_path(cfg.certfile), _path(cfg.keyfile)):
        return {}
    return {"certfile": certfile, "keyfile": keyfile}
