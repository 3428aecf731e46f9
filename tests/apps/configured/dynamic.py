"""As many workers as gunicorn's documentation says, and what is done around the start."""
import multiprocessing

workers = multiprocessing.cpu_count() * 2 + 1
threads = 2
worker_class = "gthread"
timeout = 120
raw_env = ["SHOP_CURRENCY=KRW", f"SHOP_WORKERS={workers}"]


def on_starting(server):
    server.log.info("Starting with %s workers", server.cfg.workers)


def when_ready(server):
    server.log.info("Server is ready. Spawning workers")


def nworkers_changed(server, new_value, old_value):
    server.log.info("Workers: from %s to %s", old_value, new_value)


def post_worker_init(worker):
    worker.log.info("Worker is up")


def on_exit(server):
    server.log.info("Goodbye")
