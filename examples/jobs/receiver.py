"""Hears of the ends of jobs, and believes only what is signed.

    cd examples/jobs
    pip install standardwebhooks
    girin offload webhook-key webhook.key
    SECRET_FILE=webhook.key python receiver.py 8001

girin, on the same machine, in the same folder:

    girin compute_option:app --offload 'POST /compute,both' \\
          --offload-callback 127.0.0.1:8001 --offload-callback-private --offload-callback-key webhook.key
    curl -X POST -H 'Prefer: respond-async' -H 'Girin-Callback: http://127.0.0.1:8001/' localhost:8000/compute

Then the receiver prints: job.done, the job's id, 200.
"""
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

with open(os.environ["SECRET_FILE"]) as f:
    webhook = Webhook(f.read().strip())
seen = set()  # a real receiver keeps these for a day, where all its processes find them


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            told = webhook.verify(body, dict(self.headers.items()))  # also refuses what is older than five minutes
        except (WebhookVerificationError, ValueError):  # the latter of what is no message at all
            self.answer(401)
            return
        if self.headers["webhook-id"] not in seen:  # it may come twice
            seen.add(self.headers["webhook-id"])
            print(told["type"], told["data"]["id"], told["data"].get("code"), flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
