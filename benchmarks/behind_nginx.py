#!/usr/bin/env python3
"""usage: behind_nginx.py FOLDER PORT GUNICORN ARGUMENT...

Runs nginx on 127.0.0.1:PORT, with TLS and HTTP/2, in front of gunicorn on a unix
socket, as gunicorn's documentation sets it up. FOLDER has cert.pem and key.pem.
The process becomes gunicorn, whose child nginx is; both end with its process group.
"""
import os
import subprocess
import sys
from pathlib import Path

CONFIG = """
{user}
worker_processes auto;
daemon off;
error_log {folder}/nginx.log;
pid {folder}/nginx-{port}.pid;
events {{ worker_connections 1024; accept_mutex off; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    keepalive_requests 100000000;
    upstream app {{ server unix:{socket} fail_timeout=0; {keep} }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        client_max_body_size 4G;
        location / {{
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Host $http_host;
            proxy_redirect off;
            {version}
            proxy_pass http://app;
        }}
    }}
}}
"""


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder, port, *gunicorn = sys.argv[1:]
    socket = f"{folder}/{port}.sock"
    keeps = "sync" not in gunicorn  # gunicorn's sync workers end each connection
    config = Path(folder, f"nginx-{port}.conf")
    config.write_text(CONFIG.format(
        folder=folder, port=port, socket=socket, user="user root;" if os.getuid() == 0 else "",
        keep="keepalive 64;" if keeps else "",
        version='proxy_http_version 1.1; proxy_set_header Connection "";' if keeps else ""))
    subprocess.Popen(["nginx", "-c", config])
    os.execv(gunicorn[0], [*gunicorn[:1], "--bind", f"unix:{socket}", "--log-level", "warning", "--no-control-socket", *gunicorn[1:]])


if __name__ == "__main__":
    main()
