"""gevent, with a driver that must be told to wait as greenlets do."""
worker_class = "gevent"
workers = 1
worker_connections = 100


def post_fork(server, worker):
    import database

    def wait(seconds):
        import gevent

        gevent.sleep(seconds)

    database.set_wait_callback(wait)
    worker.log.info("Made the driver green")
