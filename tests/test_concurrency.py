"""What girin is for: every free thread is used, and none is waited for.

The benchmarks of the same names hold the times to the percent, on a machine
that is left alone. Here a fault shows as a whole second or more, so that
tests beside other work do not fail for being late.
"""
import pytest

import concurrency
import headofline
import servers

LATE = 0.9  # one that waited for another would take a second more


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 4), (4, 1), (2, 2), (4, 4)])
def test_all_threads_of_all_workers_run_at_once(workers, threads):
    took = concurrency.measure(servers.girin("gthread", workers, threads), workers * threads)
    assert took < concurrency.IDEAL + LATE


@pytest.mark.parametrize("scene", headofline.SCENES, ids=lambda scene: scene.worker_class)
def test_quick_requests_do_not_wait_behind_slow_ones(scene):
    server = servers.girin(scene.worker_class, scene.workers, scene.threads)
    assert max(headofline.measure(server, scene.sleepers)) < LATE
