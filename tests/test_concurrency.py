"""What girin is for: every free thread is used, and none is waited for.

The benchmarks of the same names repeat these, for all sizes and beside gunicorn.
"""
import pytest

import concurrency
import headofline
import servers


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 4), (4, 1), (2, 2), (4, 4)])
def test_all_threads_of_all_workers_run_at_once(workers, threads):
    assert concurrency.measure(servers.girin("gthread", workers, threads), workers * threads) <= concurrency.ALLOWED


@pytest.mark.parametrize("scene", headofline.SCENES, ids=lambda scene: scene.worker_class)
def test_quick_requests_do_not_wait_behind_slow_ones(scene):
    server = servers.girin(scene.worker_class, scene.workers, scene.threads)
    assert max(headofline.measure(server, scene.sleepers)) < headofline.ALLOWED
