"""The FastAPI example: what awaits or blocks does not keep light requests waiting."""
import dataclasses
import threading
import time

import client
import servers


def test_light_requests_beside_each_of_its_routes():
    server = dataclasses.replace(servers.girin_auto(), setting="auto")
    with servers.running(server, "phases_fastapi:app") as run:
        servers.settle(run)
        for path, answer in {"/sleep/0.5": b'{"slept":0.5}', "/sleep/blocking/0.5": b'{"slept":0.5}',
                             "/sleep/wrong/0.5": b'{"slept":0.5}', "/compute/1000000": b'{"total":333332833333500000}',
                             "/compute/wrong/1000000": b'{"total":333332833333500000}'}.items():
            answers = []
            slow = threading.Thread(target=lambda: answers.append(client.get(run.port, path).body))
            slow.start()
            time.sleep(0.05)
            took = []
            for _ in range(20):
                began = time.monotonic()
                assert client.get(run.port, "/").body == b'{"hello":"world"}'
                took.append(time.monotonic() - began)
            slow.join()
            assert answers == [answer] and sorted(took)[-2] < 0.3, path
