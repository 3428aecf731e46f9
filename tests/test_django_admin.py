"""Django's admin: log in, add, edit, upload, fetch, delete, as under gunicorn."""
import os
import re
import shutil
import subprocess
import sys

import pytest
import requests

import servers
from comparison import SAME_HASHES, seen

SITE = servers.EXAMPLES / "django_site"
USER, PASSWORD = "editor", "correct horse"
SMALL = "a small one: 기린\n".encode()
LARGE = bytes(range(256)) * (12 << 10)  # 3 MiB: over Django's limit for memory and the front's for inline bodies
DOCUMENTS = "/admin/documents/document/"

# What the site draws at random or reads off the clock: "Nov. 21, 2026, 2:03 p.m.".
VOLATILE = [
    (rb"\w{3,9}\.? \d{1,2}, \d{4}, (?:noon|midnight|[\d:]+ [ap]\.m\.)", b"<time>"),
    (rb"(?:Max-Age=\d+; )?expires=[^;]+", b"<expires>"),
    (rb"\bmessages=[^;]+", b"messages=<signed>"),
    (rb"\b(documents/\w+?)_\w{7}\.", rb"\1_<random>."),
]


@pytest.fixture(scope="session")
def fresh_site(tmp_path_factory):
    """A site's data with its tables and one user."""
    data = tmp_path_factory.mktemp("django")
    env = {**os.environ, "DATA_DIR": str(data), "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    for command in (["migrate", "-v0"], ["createsuperuser", "-v0", "--username", USER, "--email", "e@example.com"]):
        subprocess.run([sys.executable, "manage.py", *command, "--no-input"], cwd=SITE, env=env, check=True)
    return data


@pytest.fixture(scope="session")
def visit(fresh_site, tmp_path_factory):
    """Runs the whole visit against a server with a site of its own."""
    def run(server):
        data = shutil.copytree(fresh_site, tmp_path_factory.mktemp("site") / "data")
        env = {**SAME_HASHES, "DATA_DIR": str(data)}
        # gaiohttp calls the app on its event loop, where Django's database
        # layer refuses to work unless it is told that blocking is meant.
        env["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        with servers.running(server, "django_site.wsgi:application", cwd=SITE, env=env) as site:
            return Visit(site.url).whole()
    return run


@pytest.fixture(scope="session")
def expected(visit, gunicorn):
    return visit(gunicorn)


class Visit:
    """An editor's browser, and what it saw: (what was done, the answer)."""

    def __init__(self, url):
        self.url = url
        self.session = requests.Session()
        self.steps = []

    def step(self, name, response):
        self.steps.append((name, seen(response, *VOLATILE)))
        return response

    def get(self, path, **options):
        return self.step(f"GET {path}", self.session.get(self.url + path, allow_redirects=False, timeout=30, **options))

    def submit(self, path, data, **options):
        """Fills in the form at path, with the token that it carries."""
        form = self.get(path)
        assert form.status_code == 200, (path, form.status_code, form.headers, form.text)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)[1]
        return self.step(f"POST {path}", self.session.post(
            self.url + path, data={**data, "csrfmiddlewaretoken": token}, allow_redirects=False, timeout=60, **options))

    def whole(self):
        self.get("/")
        self.get("/admin/")
        self.submit("/admin/login/?next=/admin/", {"username": USER, "password": "wrong", "next": "/admin/"})
        self.submit("/admin/login/?next=/admin/", {"username": USER, "password": PASSWORD, "next": "/admin/"})
        self.get("/admin/")
        self.documents()
        self.static()
        self.submit(f"{DOCUMENTS}1/delete/", {"post": "yes"})
        self.get(DOCUMENTS)
        self.step("no token", self.session.post(f"{self.url}/admin/logout/", timeout=30))
        self.get("/no-such-page/")
        return self.steps

    def documents(self):
        self.submit(f"{DOCUMENTS}add/", {"title": ""})  # refused by the form
        for title, name, content in (("Small", "small.txt", SMALL), ("Large", "large.bin", LARGE)):
            added = self.submit(f"{DOCUMENTS}add/", {"title": title}, files={"file": (name, content)})
            assert added.status_code == 302, added.text
        self.submit(f"{DOCUMENTS}1/change/", {"title": "Small, édité"})
        self.submit(f"{DOCUMENTS}1/change/", {"title": "Small, again"}, files={"file": ("small.txt", SMALL * 2)})
        self.get(DOCUMENTS)
        self.get(f"{DOCUMENTS}?q=large&o=-1")
        self.get(f"{DOCUMENTS}2/history/")
        self.get("/")
        assert self.get("/media/documents/large.bin").content == LARGE
        self.step("HEAD", self.session.head(f"{self.url}/media/documents/large.bin", timeout=30))

    def static(self):
        style = self.get("/static/admin/css/base.css")
        self.get("/static/admin/css/base.css", headers={"If-Modified-Since": style.headers["Last-Modified"]})


def test_admin_answers_as_under_gunicorn(visit, girin, expected):
    found = visit(girin)
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (name, ours), (_, theirs) in zip(found, expected):
        assert ours == theirs, name
    assert all(answer.status < 500 for _, answer in found)
