"""An application for girin tune most of whose routes hang."""
import time

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "hello\n"


for number in range(30):
    app.add_url_rule(f"/hang/{number}", f"hang{number}", lambda: time.sleep(3600))
