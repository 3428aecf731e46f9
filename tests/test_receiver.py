"""The receiver of callbacks that the documents show: what it believes, and that girin is believed."""
from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import requests
from standardwebhooks.webhooks import Webhook

import servers
from waiting import until

JOBS = servers.EXAMPLES / "jobs"


@contextlib.contextmanager
def receiving(folder: Path):
    """The receiver with a new key; yields the key's file, where it listens, and what it has printed."""
    key, said = folder / "webhook.key", folder / "said"
    subprocess.run([str(servers.GIRIN), "offload", "webhook-key", str(key)], check=True)
    port = servers.free_port()
    with said.open("w") as out:
        process = subprocess.Popen([sys.executable, str(JOBS / "receiver.py"), str(port)], env={**os.environ, "SECRET_FILE": str(key)}, stdout=out)
        try:
            url = f"http://127.0.0.1:{port}/"
            until(lambda: answers(url))
            yield key, url, lambda: said.read_text().splitlines()
        finally:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.post(url, timeout=10).status_code == 401  # nothing is signed
    return False


def test_only_what_is_signed_is_believed_and_once(tmp_path: Path) -> None:
    body = json.dumps({"type": "job.done", "timestamp": "2026-11-29T19:22:00Z", "data": {"id": "zf60", "code": 200}})
    with receiving(tmp_path) as (key, url, said):
        webhook = Webhook(key.read_text().strip())

        def post(data: str | bytes, signed: str = body, age: float = 0, **instead: str) -> int:
            at = datetime.now(timezone.utc) - timedelta(seconds=age)
            fields = {"webhook-id": "job_zf60_7", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": webhook.sign("job_zf60_7", at, signed)}
            return requests.post(url, data=data, headers={**fields, **{k.replace("_", "-"): v for k, v in instead.items()}}, timeout=10).status_code

        assert post(body.replace("200", "500")) == 401
        assert post(body, webhook_id="job_zf60_8") == 401
        assert post(body, age=600) == 401
        assert post(b"\xff\xfe") == 401
        assert post(body, webhook_signature="nonsense") == 401
        assert said() == []
        assert post(body) == post(body) == 204
        assert said() == ["job.done zf60 200"]


def test_what_the_receiver_s_page_says_happens(tmp_path: Path) -> None:
    with receiving(tmp_path) as (key, url, said):
        server = servers.girin("gthread", 1, 2, "--offload", "POST /compute,both", "--offload-dir", str(tmp_path / "store"), "--offload-callback", url.split("/")[2],
                               "--offload-callback-private", "--offload-callback-key", str(key), "--log-level", "info")
        with servers.running(server, "compute_option:app", cwd=JOBS) as run:
            until(lambda: "Jobs: connected" in run.output())
            taken = requests.post(run.url + "/compute", headers={"Prefer": "respond-async", "Girin-Callback": url}, timeout=10)
            assert taken.status_code == 202, taken.text
            until(lambda: said() == [f"job.done {taken.json()['id']} 200"], within=30, what="the receiver is told")
