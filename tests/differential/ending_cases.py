"""Files that end the program that runs them, and what a reload changes of TLS and of Python's logging."""
from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
from pathlib import Path

from config_cases import PID
from process_cases import app, root
from sidebyside import Case, Site


def status(site: Site) -> int:
    """The exit status, as a shell has it."""
    code = site.ended()
    return 128 - code if code < 0 else code


def and_says(text: str):
    return lambda site: [status(site), text in site.output()]


ENDS = {
    "sys.exit(3)": ("import sys\nsys.exit(3)", 3),
    "sys.exit() with a text": ("import sys\nsys.exit('the text')", 1),
    "sys.exit(0)": ("import sys\nsys.exit(0)", 0),
    "sys.exit(259)": ("import sys\nsys.exit(259)", 3),
    "os._exit(5)": ("import os\nos._exit(5)", 5),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", 130),
    "an exception": ("raise ValueError('no')", 1),
    "a syntax error": ("workers = = 2", 1),
    "a null byte": ("workers = 1\0", 1),
    "on_starting with sys.exit(7)": ("import sys\ndef on_starting(server):\n    sys.exit(7)", 7),
}

TLS = """
import os, ssl
keyfile = certfile = "first.pem"
def ssl_context(conf, default_ssl_context_factory):
    context = default_ssl_context_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
"""


def certificates(folder: Path) -> None:
    for name in ("first", "second"):
        path = folder / f"{name}.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                        "-keyout", folder / "key", "-out", path], check=True, capture_output=True)
        path.write_text(path.read_text() + (folder / "key").read_text())


def shown(site: Site, version: ssl.TLSVersion) -> str:
    """Which certificate a client of that version of TLS gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    try:
        with socket.create_connection(("127.0.0.1", site.port), 10) as plain, context.wrap_socket(plain) as wrapped:
            wrapped.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert wrapped.recv(1)
            seen = wrapped.getpeercert(binary_form=True)
    except (OSError, AssertionError):
        return "refused"
    return next((name for name in ("first", "second") if ssl.PEM_cert_to_DER_cert(_certificate(site, name)) == seen), "another")


def _certificate(site: Site, name: str) -> str:
    text = (site.site / f"{name}.pem").read_text()
    return text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"


def renewed(*texts: str):
    """What clients of TLS 1.2 and 1.3 are shown: at first, and after reloads with each of these files."""

    def see(site: Site):
        seen = [[shown(site, version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]]
        for text, wanted in texts:
            (site.site / "gunicorn.conf.py").write_text(text)
            site.send(signal.SIGHUP)
            with contextlib.suppress(AssertionError):
                site.until(lambda: [shown(site, version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)] == wanted)
            seen.append([shown(site, version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)])
        return seen

    return see


MUTING = """
logconfig_dict = {
    "disable_existing_loggers": True,
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False}},
}
"""
ASYNCHRONOUS = """
import json, logging
async def app(scope, receive, send):
    body = json.dumps([logging.getLogger(name).disabled for name in ("asyncio", "app", "concurrent.futures")]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
"""

CASES = [
    *(Case(f"a file that ends by {name}", status, app=PID, config=text + "\n", classes=("sync",), right=code) for name, (text, code) in ENDS.items()),
    Case("a file that ends by a text, which is told", and_says("the text"), app=PID, config=ENDS["sys.exit() with a text"][0], classes=("sync",), right=[1, True]),
    Case("a module for a file, which ends", status, app=PID, files={"settings.py": "import sys\nsys.exit(4)\n"}, options=("-c", "python:settings"),
         classes=("sync",), right=4),
    Case("a file that is not there", and_says("nowhere.py"), app=PID, options=("-c", "{folder}/nowhere.py"), classes=("sync",), right=[1, True]),
    Case("a file that is a folder", status, app=PID, options=("-c", "{folder}"), classes=("sync",), right=1),
    Case("an app that ends the check", status, app="import sys\nsys.exit(6)\n", options=("--check-config",), classes=("sync",), right=6),
    Case(
        "a reload with another certificate, and another context",
        renewed(
            (TLS.replace("first.pem", "second.pem"), ["second", "second"]),
            (TLS.replace("TLSv1_2", "TLSv1_3"), ["refused", "first"]),
            (TLS[: TLS.index("def")], ["first", "first"]),
        ),
        app=PID, config=TLS, prepare=certificates, classes=("sync", "gthread", "auto"),
        right=[["first"] * 2, ["second"] * 2, ["refused", "first"], ["first"] * 2],
    ),
    Case("loggers that are there already are disabled", root, app=app("import logging\nreturn [logging.getLogger(n).disabled for n in ('asyncio', 'app', 'concurrent.futures', 'early')]"),
         config="import logging\nlogging.getLogger('early')\n" + MUTING, classes=("sync", "gthread", "gevent"), right=[False, False, False, True]),
    Case("loggers that are there already are disabled, under ASGI", root, app=ASYNCHRONOUS, target="app:app", options=("-k", "asgi"), config=MUTING,
         classes=("sync",), right=[False, False, False]),
]
