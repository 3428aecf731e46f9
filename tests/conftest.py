"""What the tests share: girin as it was built, in every worker class."""
import pytest

import servers

WORKER_CLASSES = {"sync": (2, 1), "gthread": (2, 4), "gevent": (2, 1), "gaiohttp": (2, 4), "auto": (3, 64)}  # workers, threads


@pytest.fixture(scope="session", autouse=True)
def built():
    if not servers.GIRIN.exists():
        pytest.exit(f"{servers.GIRIN} is not there: run make test, or make build first", returncode=1)


@pytest.fixture(scope="session", params=WORKER_CLASSES)
def girin(request):
    """girin's setting for a worker class."""
    workers, threads = WORKER_CLASSES[request.param]
    return servers.girin(request.param, workers, threads)


@pytest.fixture(scope="session")
def gunicorn():
    """What girin must agree with."""
    return servers.gunicorn("sync", 2)
