"""A Django site behind nginx on the same machine, by a unix socket."""
import os

wsgi_app = "django_site.wsgi:application"
bind = f"unix:{os.environ['SOCKET']}"
umask = 0o007
workers = 3
worker_class = "sync"
worker_tmp_dir = "/dev/shm"
timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 1000
max_requests_jitter = 50

forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
raw_env = ["DJANGO_SETTINGS_MODULE=django_site.settings"]

accesslog = "-"
errorlog = "-"
loglevel = "info"
capture_output = True
proc_name = "django_site"
limit_request_line = 8190
