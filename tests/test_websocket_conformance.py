"""Autobahn's cases by kosoku, against an echo: in clear text and over HTTP/2 (by h2bridge, as kosoku
does not know it). Those of 9, 12 and 13 take minutes: `make sockets` runs all of them; here is one of each size."""
import asyncio
import contextlib
import os
from collections import Counter

import pytest
from kosoku import FailureError, run_fuzzingclient

from asgi_server import LOOPS, make_certificate, serving
from h2bridge import bridged

QUICK = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.*", "9.2.*", "10.*", "12.1.1", "12.1.5", "13.1.1", "13.3.2", "13.6.3"]
WHOLE = os.environ.get("GIRIN_WEBSOCKET_CASES") == "all"


@pytest.mark.parametrize(("transport", "loop"), [*(("clear", loop) for loop in LOOPS), ("h2", "uvloop")])
def test_cases(transport, loop, tmp_path):
    certificate = None if transport == "clear" else make_certificate(tmp_path)
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(serving("-w", "1", "--asgi-loop", loop, transport=transport, app="sockets:echo_all", certificate=certificate))
        port = served.port if transport == "clear" else stack.enter_context(bridged(served.port)).port
        try:
            results = asyncio.run(run_fuzzingclient(f"ws://127.0.0.1:{port}", cases=None if WHOLE else QUICK, concurrency=2))
        except FailureError as e:
            results = e.results
        counts = Counter(r.behavior.value for r in results)
        print(dict(counts))
        if not WHOLE:
            assert len(results) > 200
            assert [(r.case_id, r.behavior.value) for r in results if not r.passed] == []
            return
        others = [(r.case_id, r.behavior.value) for r in results if r.behavior.value not in ("OK", "INFORMATIONAL")]
        assert len(results) == 517
        assert all(result == "NON-STRICT" and not case.startswith(("12.", "13.")) for case, result in others), others
        assert len(others) <= 4, others
