"""The blocking Flask example, route by route, as under gunicorn."""
import pytest
import requests

import servers
from comparison import SAME_HASHES, seen

UPSTREAM = servers.Server("girin", "upstream", (str(servers.GIRIN), "upstream", "--bind", "127.0.0.1:{port}"))
TARGETS = ["/", "/sleep/0", "/sleep/0.1", "/sleep/-1", "/sleep/x", "/compute/0", "/compute/100000", "/compute/1.5",
           "/request", "/query", "/none", "/?a=%00", "//sleep/0", "/%73leep/0"]


@pytest.fixture(scope="module")
def upstream():
    with servers.running(UPSTREAM, "") as run:
        yield {"UPSTREAM_URL": f"{run.url}/delay/0.1"}


@pytest.fixture(scope="module")
def theirs(gunicorn, upstream):
    with servers.running(gunicorn, "blocking_flask:app", env={**upstream, **SAME_HASHES}) as run:
        yield run


@pytest.fixture(scope="module")
def ours(girin, upstream):
    with servers.running(girin, "blocking_flask:app", env={**upstream, **SAME_HASHES}) as run:
        yield run


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("target", TARGETS)
def test_route_answers_as_under_gunicorn(ours, theirs, method, target):
    answers = [seen(requests.request(method, run.url + target, timeout=30)) for run in (ours, theirs)]
    assert answers[0] == answers[1]


def test_request_says_what_is_wrong_without_its_upstream(girin):
    nowhere = f"http://127.0.0.1:{servers.free_port()}/delay/5"
    with servers.running(girin, "blocking_flask:app", env={"UPSTREAM_URL": nowhere}) as run:
        answer = requests.get(f"{run.url}/request", timeout=30)
    assert (answer.status_code, nowhere in answer.text) == (502, True)


def test_wsgi_hello(girin):
    with servers.running(girin, "wsgi_hello") as run:
        assert requests.get(run.url, timeout=30).text == "Hello, world!\n"
