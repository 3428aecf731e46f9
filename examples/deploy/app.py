"""The application that the examples serve: it says who asked, and how."""
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
# One proxy stands before girin: the last address in X-Forwarded-For is the one that it saw.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)


@app.get("/")
def hello():
    return {"client": request.remote_addr, "url": request.url}


@app.post("/upload")
def upload():
    return {"bytes": len(request.get_data())}
