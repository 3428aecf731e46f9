"""ssl_context, gunicorn's hook: what its context comes to."""
from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _girin_shim import tlscontext  # noqa: E402
from _girin_shim.cfg import Cfg  # noqa: E402


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("own", "other"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"], check=True, capture_output=True)
    return folder


def made_by(files, hook, **more) -> dict:
    values = {"certfile": str(files / "own.pem"), "keyfile": str(files / "own.key"), "ca_certs": None, "cert_reqs": 0, "ciphers": None, **more}
    before = dict(vars(ssl.SSLContext))
    try:
        return tlscontext.made_by(hook, Cfg(values))
    finally:
        assert dict(vars(ssl.SSLContext)) == before


def changed(change):
    """A hook that changes the default context."""

    def ssl_context(conf, default_ssl_context_factory):
        context = default_ssl_context_factory()
        change(context)
        return context

    return ssl_context


def test_the_default_changes_nothing(files):
    made = made_by(files, changed(lambda context: None))
    assert made == {"minimum": 0x303, "maximum": 0x304, "tickets": True, "protocols": None, "verify": 0, "authorities": None, "warnings": []}


def test_what_a_context_says_is_told(files):
    def change(context):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        context.set_alpn_protocols(["http/1.1"])
        context.load_verify_locations(files / "other.pem")
        context.verify_mode = ssl.CERT_REQUIRED

    made = made_by(files, changed(change))
    assert (made["minimum"], made["maximum"], made["tickets"], made["verify"]) == (0x303, 0x303, False, 2)
    assert made["ciphers"] == ["ECDHE-ECDSA-AES256-GCM-SHA384"] and made["protocols"] == ["http/1.1"]
    assert len(made["authorities"]) == 1 and made["warnings"] == []


@pytest.mark.parametrize("option, versions", [(ssl.OP_NO_TLSv1_2, (0x304, 0x304)), (ssl.OP_NO_TLSv1_3, (0x303, 0x303))])
def test_versions_that_options_refuse(files, option, versions):
    made = made_by(files, changed(lambda context: setattr(context, "options", context.options | option)))
    assert (made["minimum"], made["maximum"]) == versions


def test_a_context_of_its_own_with_another_certificate(files):
    def ssl_context(conf, default_ssl_context_factory):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files / "other.pem", files / "other.key")
        return context

    made = made_by(files, ssl_context)
    assert made["certfile"] == str(files / "other.pem") and made["keyfile"] == str(files / "other.key")


def test_the_authorities_of_ca_certs_stay_a_file(files):
    made = made_by(files, changed(lambda context: setattr(context, "verify_mode", ssl.CERT_OPTIONAL)), ca_certs=str(files / "other.pem"))
    assert made["verify"] == 1 and made["authorities"] is None


@pytest.mark.parametrize("change, why", [
    (lambda c, files: setattr(c, "sni_callback", lambda *arguments: None), "sni_callback"),
    (lambda c, files: setattr(c, "verify_mode", ssl.CERT_REQUIRED), "no authority"),
    (lambda c, files: setattr(c, "options", c.options | ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3), "neither"),
    (lambda c, files: c.load_cert_chain(files / "other.pem", files / "other.key"), "more than one"),
    (lambda c, files: c.load_cert_chain(files / "own.pem", files / "own.key", "secret"), "more than one|password"),
])
def test_what_cannot_be_done_is_an_error(files, change, why):
    with pytest.raises(ValueError, match=why):
        made_by(files, changed(lambda context: change(context, files)))


def test_revocation_lists_are_not_checked(files):
    def change(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF

    with pytest.raises(ValueError, match="revocation"):
        made_by(files, changed(change), ca_certs=str(files / "other.pem"))


def test_what_is_no_context_is_an_error(files):
    with pytest.raises(ValueError, match="no ssl.SSLContext"):
        made_by(files, lambda conf, factory: None)


def test_a_context_from_before_the_hook(files):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    made = made_by(files, lambda conf, factory: context)
    assert made["minimum"] == 0x304 and "cannot be seen" in made["warnings"][0]
