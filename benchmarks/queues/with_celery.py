"""What Celery runs, and what asks it: python -m with_celery THREADS SECONDS."""
import os
import time

from celery import Celery
from celery.signals import worker_ready

app = Celery("queues", broker=os.environ.get("REDIS", ""), backend=os.environ.get("REDIS", ""))
app.conf.update(task_acks_late=os.environ.get("ACKS_LATE") == "1", task_reject_on_worker_lost=os.environ.get("ACKS_LATE") == "1",
                broker_connection_retry_on_startup=True)


@worker_ready.connect
def say(**_):
    print("takes tasks", flush=True)


@app.task(name="add")
def add(x, y):
    return x + y


@app.task(name="slowly")
def slowly(path, seconds):
    with open(path, "a") as f:
        f.write(f"{os.getpid()}\n")
    time.sleep(float(seconds))
    return "done"


if __name__ == "__main__":
    import driver

    driver.main(lambda: add.delay(1, 2).get(timeout=30))
