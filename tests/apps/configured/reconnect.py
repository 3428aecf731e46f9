"""Connects each worker to the database itself, and says when workers come and go."""
workers = 2
loglevel = "info"


def pre_fork(server, worker):
    server.log.info("Worker %d is about to start", worker.age)


def post_fork(server, worker):
    import database

    database.connect()
    server.log.info("Worker spawned (age: %s, parent is the master: %s)", worker.age, worker.ppid == server.pid)


def post_worker_init(worker):
    worker.log.warning("Worker %s is initialised with %s workers", worker.age, worker.cfg.workers)


def worker_exit(server, worker):
    server.log.info("Worker %s says goodbye", worker.age)


def child_exit(server, worker):
    server.log.info("Worker %s is gone", worker.age)
