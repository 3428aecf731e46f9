"""What an app's import has left is out of garbage collections, or is not: --no-gc-freeze."""
from __future__ import annotations

from dataclasses import replace

import client
import pytest
import servers

APP = """
import gc
HELD = [object()]
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"collected" if any(found is HELD for found in gc.get_objects()) else b"frozen"]
"""


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["each", "preload"])
@pytest.mark.parametrize("options, seen", [((), b"frozen"), (("--no-gc-freeze",), b"collected")], ids=["default", "off"])
def test_what_collections_look_through(girin, options, seen, preload, tmp_path):
    (tmp_path / "app.py").write_text(APP)
    server = replace(girin, command=(*girin.command[:-1], *options, *preload, girin.command[-1]))
    with servers.running(server, "app", tmp_path) as run:
        assert client.get(run.port, "/").body == seen
