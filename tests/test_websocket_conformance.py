"""Autobahn's cases by kosoku, against an echo. 12 and 13 (compression) take minutes: of those one of each size."""
import asyncio

import pytest
from kosoku import FailureError, run_fuzzingclient

from asgi_server import LOOPS, serving

QUICK = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.*", "9.2.*", "10.*", "12.1.1", "12.1.5", "13.1.1", "13.3.2", "13.6.3"]


@pytest.mark.parametrize("loop", LOOPS)
def test_cases(loop):
    with serving("-w", "1", "--asgi-loop", loop, app="sockets:echo_all") as served:
        try:
            results = asyncio.run(run_fuzzingclient(f"ws://127.0.0.1:{served.port}", cases=QUICK, concurrency=2))
        except FailureError as e:
            results = e.results
        assert len(results) > 200
        assert [(r.case_id, r.result) for r in results if not r.passed] == []
