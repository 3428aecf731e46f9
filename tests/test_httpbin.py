"""httpbin, the Flask app that shows what it was asked, endpoint by endpoint."""
import httpbin
import pytest
import requests
from werkzeug.exceptions import HTTPException

import servers
from comparison import SAME_HASHES, seen

TEXT = "grüße, 안녕\n" * 100
BIG = b"0123456789abcdef" * (1 << 16)  # 1 MiB
FILES = {"file": ("a name.txt", b"some text\n", "text/plain"), "large": ("large.bin", BIG)}
COOKIES = {"one": "1", "two": "a b"}

# Method, target, and what else requests is given.
CASES = [
    ("GET", "/", {}),
    ("HEAD", "/", {}),
    ("GET", "/get?a=1&a=2&b=%C3%A9&empty=&flag", {}),
    ("GET", "/get", {"headers": {"X-Twice": "one, two", "X-Empty": "", "X-Latin": "caf\xe9".encode("latin-1")}}),
    ("HEAD", "/get", {}),
    ("OPTIONS", "/get", {}),
    ("TRACE", "/get", {}),
    ("POST", "/get", {}),  # 405
    ("POST", "/post", {"data": {"a": ["1", "2"], "b": TEXT}}),
    ("POST", "/post", {"json": {"text": TEXT}}),
    ("POST", "/post", {"data": b""}),
    ("POST", "/post", {"data": BIG}),
    ("POST", "/post", {"data": {"field": "1"}, "files": FILES}),
    ("PUT", "/put", {"data": TEXT.encode()}),
    ("PATCH", "/patch", {"json": [1, 2]}),
    ("DELETE", "/delete", {}),
    ("DELETE", "/delete", {"data": "a body"}),
    ("GET", "/anything/a%2Fb/c%20d//e/./%E4?q=%2f%zz", {}),
    ("PURGE", "/anything", {}),
    ("GET", "/headers", {"headers": {"User-Agent": "", "Accept": "text/x; q=0.5"}}),
    ("GET", "/ip", {}),
    ("GET", "/user-agent", {}),
    ("GET", "/basic-auth/user/pass", {"auth": ("user", "pass")}),
    ("GET", "/basic-auth/user/pass", {}),
    ("GET", "/hidden-basic-auth/user/pass", {}),
    ("GET", "/bearer", {"headers": {"Authorization": "Bearer token"}}),
    ("GET", "/bearer", {}),
    ("GET", "/digest-auth/auth/user/pass", {}),
    ("GET", "/digest-auth/auth/user/pass/SHA-256", {}),
    ("GET", "/digest-auth/auth/user/pass/MD5/never", {}),
    ("GET", "/cookies", {"cookies": COOKIES}),
    ("GET", "/cookies/set?a=1&b=2", {}),
    ("GET", "/cookies/set/name/value", {}),
    ("GET", "/cookies/delete?a=&b=", {"cookies": COOKIES}),
    ("GET", "/redirect/2", {}),
    ("GET", "/relative-redirect/2", {}),
    ("GET", "/absolute-redirect/2", {}),
    ("GET", "/redirect-to?url=http%3A%2F%2Fexample.com%2F%3Fa%3D1&status_code=307", {}),
    ("GET", "/response-headers?X-One=1&X-Two=a&X-Two=b&Content-Type=text/plain", {}),
    ("POST", "/response-headers?X-One=1", {}),
    ("GET", "/cache", {}),
    ("GET", "/cache", {"headers": {"If-None-Match": "any"}}),
    ("GET", "/cache/60", {}),
    ("GET", "/etag/tag", {}),
    ("GET", "/etag/tag", {"headers": {"If-None-Match": '"tag"'}}),
    ("GET", "/etag/tag", {"headers": {"If-Match": '"other"'}}),
    ("GET", "/gzip", {}),
    ("GET", "/deflate", {}),
    ("GET", "/brotli", {}),
    ("GET", "/encoding/utf8", {}),
    ("GET", "/html", {}),
    ("GET", "/json", {}),
    ("GET", "/xml", {}),
    ("GET", "/robots.txt", {}),
    ("GET", "/deny", {}),
    ("GET", "/forms/post", {}),
    ("GET", "/links/10", {}),
    ("GET", "/links/10/3", {}),
    ("GET", "/base64/Z2lyaW4=", {}),
    ("GET", "/bytes/1000?seed=1", {}),
    ("GET", "/stream-bytes/100000?seed=1&chunk_size=999", {}),
    ("GET", "/stream/5", {}),
    ("HEAD", "/stream/5", {}),
    ("GET", "/drip?duration=0.2&numbytes=5&code=203", {}),
    ("GET", "/range/4096?chunk_size=100", {}),
    ("GET", "/range/4096", {"headers": {"Range": "bytes=10-99"}}),
    ("GET", "/range/4096", {"headers": {"Range": "bytes=9000-"}}),
    ("GET", "/delay/0.1", {}),
    ("GET", "/uuid", {}),
    ("GET", "/image", {"headers": {"Accept": "image/webp"}}),
    ("GET", "/image", {"headers": {"Accept": "text/none"}}),
    *(("GET", f"/image/{kind}", {}) for kind in ("png", "jpeg", "webp", "svg")),
    *(("GET", f"/status/{code}", {}) for code in (200, 202, 204, 205, 301, 304, 400, 401, 402, 404, 406, 407, 418, 500, 503, 599)),
    ("POST", "/status/204", {"data": "ignored"}),
    ("GET", "/static/favicon.ico", {}),
    ("GET", "/no-such-page", {}),
]


@pytest.fixture(scope="module")
def theirs(gunicorn):
    with servers.running(gunicorn, "httpbin:app", env=SAME_HASHES) as run:
        yield run


@pytest.fixture(scope="module")
def ours(girin):
    with servers.running(girin, "httpbin:app", env=SAME_HASHES) as run:
        yield run


def ask(url, method, target, options):
    headers = {"Host": "httpbin.example", **options.get("headers", {})}
    options = {**options, "headers": headers, "allow_redirects": False, "timeout": 30}
    if "files" in options:  # with a boundary that is the same each time
        body, _ = requests.models.RequestEncodingMixin._encode_files(options.pop("files"), options.pop("data"))
        boundary = body[2:].split(b"\r\n")[0]
        options["data"] = body.replace(boundary, b"boundary")
        headers["Content-Type"] = "multipart/form-data; boundary=boundary"
    return requests.request(method, url + target, **options)


@pytest.mark.parametrize(("method", "target", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_endpoint_answers_as_under_gunicorn(ours, theirs, method, target, options):
    assert seen(ask(ours.url, method, target, options)) == seen(ask(theirs.url, method, target, options))


def test_every_endpoint_is_asked_for():
    urls = httpbin.app.url_map.bind("httpbin.example")

    def endpoint(method, target):
        try:
            return urls.match(target.partition("?")[0], method)[0]
        except HTTPException:  # no such route, or not by this method
            return None

    asked = {endpoint(method, target) for method, target, _ in CASES}
    assert {rule.endpoint for rule in httpbin.app.url_map.iter_rules()} - asked == set()


@pytest.mark.parametrize("chunks", [[b"a=1", b"&b=2"], [BIG] * 3], ids=["small", "large"])
def test_chunked_body_arrives_as_under_gunicorn(ours, theirs, chunks):
    """Save its headers: gunicorn hands Transfer-Encoding to the app, girin the length that it counted."""
    shown = []
    for run in (ours, theirs):
        answer = requests.post(f"{run.url}/post", data=iter(chunks), headers={"Host": "httpbin.example"}, timeout=60)
        shown.append({key: value for key, value in answer.json().items() if key != "headers"})
    assert shown[0] == shown[1]
