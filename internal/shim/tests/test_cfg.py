"""What the application and its hooks read of the settings."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _girin_shim.cfg import Cfg  # noqa: E402


def test_networks_of_those_that_are_believed():
    cfg = Cfg({"forwarded_allow_ips": ["none"], "proxy_allow_ips": ["*", "10.0.0.0/8"]})
    assert cfg.forwarded_allow_networks() == []
    assert [str(network) for network in cfg.proxy_allow_networks()] == ["10.0.0.0/8"]
