"""Two servers get the same requests; what they answer is compared.

What must differ is left out: who answered and when, how the body was framed,
and what the app draws at random (each named by a pattern in VOLATILE).
"""
from __future__ import annotations

import re
from dataclasses import dataclass

import requests

# Headers of the server or of one connection (RFC 9110, 7.6.1).
FRAMING = {"server", "date", "connection", "keep-alive", "transfer-encoding"}

# Python draws the order of sets anew in each process, unless told.
SAME_HASHES = {"PYTHONHASHSEED": "0"}

HTTP_DATE = rb"\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT"
VOLATILE = [
    (rb"127\.0\.0\.1:\d+", b"<address>"),
    (rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"<uuid>"),
    (rb"\b[0-9a-f]{32}\b", b"<uuid>"),
    (rb"(?i)((?:last-modified|expires)\W+)" + HTTP_DATE, rb"\1<date>"),
    (rb"((?:csrftoken|sessionid)=)\w{32,64}", rb"\1<token>"),
    (rb'(name="csrfmiddlewaretoken" value=")\w{64}', rb"\1<token>"),
    (rb'((?:nonce|opaque)=")[0-9a-f]+', rb"\1<random>"),
]


@dataclass(frozen=True)
class Seen:
    """A response without what may differ."""
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


def seen(response: requests.Response, *volatile: tuple[bytes, bytes]) -> Seen:
    patterns = [*VOLATILE, *volatile]
    headers = []
    for name, value in response.raw.headers.items():  # each one, in its order
        if name.lower() not in FRAMING:
            line = replace(f"{name}: {value}".encode("latin-1"), patterns).decode("latin-1")
            headers.append(tuple(line.split(": ", 1)))
    body = replace(response.content, patterns)
    if body != response.content:  # then its length may differ too
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return Seen(response.status_code, response.reason, headers, body)


def replace(text: bytes, patterns: list[tuple[bytes, bytes]]) -> bytes:
    for pattern, replacement in patterns:
        text = re.sub(pattern, replacement, text)
    return text
