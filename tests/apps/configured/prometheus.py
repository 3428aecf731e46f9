"""prometheus_client's multiprocess mode, as its documentation has it."""
from prometheus_client import multiprocess

workers = 2
threads = 4


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
