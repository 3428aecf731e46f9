"""Checks and encodes the status and header fields that an app hands over.

What passes here is safe to write to a client: the status has a code and an
optional reason, each name is a token (RFC 9110, section 5.6.2), each value
holds only visible latin-1, spaces and tabs (section 5.5).
"""
from __future__ import annotations

import re

from . import wire

_STATUS = re.compile(r"[2-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?").fullmatch
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# Legal in a value: printable latin-1, tab, and some that Python calls unprintable.
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_REMEMBERED = 1024  # names and statuses that were checked once

_exactly = str.__str__  # of a str or a class derived from it, the plain str; TypeError of anything else

EARLY_STATUS = "103 Early Hints"
SWITCHING_STATUS = "101 Switching Protocols"


class HeadError(ValueError):
    """The app's status or a header field breaks a rule, which the text names."""


class Head:
    """An encoded head block and what of it matters here.

    length is the declared Content-Length or None; bodiless says that the
    status allows no body (RFC 9110, section 6.4.1).
    """

    __slots__ = ("block", "fields", "length", "bodiless", "_plain")

    def __init__(self, block: bytes, fields: int, length: int | None, bodiless: bool) -> None:
        self.block = block
        self.fields = fields
        self.length = length
        self.bodiless = bodiless
        self._plain = (block, fields)  # without what note adds

    def note(self, variables: list[tuple[str, str]]) -> None:
        """Adds variables that are not for the client, in place of earlier ones."""
        self.block, self.fields = self._plain
        for name, value in variables:
            text = f"\0{name}\0{value}".encode("latin-1", "backslashreplace")
            if self.fields == wire.MAX_FIELDS or len(self.block) + len(text) > wire.MAX_HEAD_BLOCK:
                return
            self.block += text
            self.fields += 1

    def declare(self, length: int) -> None:
        """Adds a Content-Length."""
        self.block += b"\0Content-Length\0%d" % length
        self.fields += 1
        self.length = length


class Heads:
    """Encodes heads; remembers which names and statuses it has checked."""

    def __init__(self) -> None:
        self._names: dict[str, bool] = {}  # checked name -> is it Content-Length
        self._statuses: dict[str, bool] = {EARLY_STATUS: True, SWITCHING_STATUS: True}  # checked status -> bodiless

    def encode(self, status: str, headers: list[tuple[str, str]]) -> Head:
        names = self._names
        length = None
        try:
            parts = [status if type(status) is str else _exactly(status)]
            put = parts.append
            bodiless = self._statuses.get(status)
            if bodiless is None:
                bodiless = self._new_status(status)
            for name, value in headers:
                if type(value) is not str:
                    value = _exactly(value)  # a class derived from str may say anything of itself
                value = value.strip(" \t")  # at an end they are no part of it, and HTTP/2 forbids them
                special = names.get(name)
                if special is None:
                    special = self._new_name(name)
                if special:
                    length = _length(value, length)
                elif not value.isprintable():
                    _check_value(value)
                put(name if type(name) is str else _exactly(name))
                put(value)
            block = "\0".join(parts).encode("latin-1")
        except (TypeError, ValueError, AttributeError):
            raise _fault(status, headers) from None
        fields = len(parts) >> 1
        if fields > wire.MAX_FIELDS or len(block) > wire.MAX_HEAD_BLOCK:
            raise HeadError(f"{fields} header fields of {len(block)} bytes are too many")
        return Head(block, fields, length, bodiless)

    def _new_status(self, status: str) -> bool:
        if not _STATUS(status):
            raise HeadError
        bodiless = status[:3] in ("204", "304")
        if len(self._statuses) < _REMEMBERED:
            self._statuses[status] = bodiless
        return bodiless

    def _new_name(self, name: str) -> bool:
        if not _TOKEN(name):
            raise HeadError
        special = name.lower() == "content-length"
        if len(self._names) < _REMEMBERED:
            self._names[name] = special
        return special


def _length(value: str, before: int | None) -> int:
    if not value.isdigit() or not value.isascii() or before is not None:
        raise HeadError
    return int(value)


def _check_value(value: str) -> None:
    if not _VALUE(value):
        raise HeadError


def _fault(status: str, headers: list[tuple[str, str]]) -> Exception:
    """Says which part of a refused head is at fault, and how."""
    if not isinstance(status, str):
        return TypeError(f"the status must be a str, not {type(status).__name__}: {status!r}")
    if status != EARLY_STATUS and not _STATUS(status):
        return HeadError(f"the status must be three digits from 200 on, a space and a reason: {status!r}")
    if not isinstance(headers, (list, tuple)):
        return TypeError(f"the headers must be a list, not {type(headers).__name__}")
    lengths = 0
    for item in headers:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            return TypeError(f"each header must be a tuple of a name and a value: {item!r}")
        name, value = item
        if not isinstance(name, str):
            return TypeError(f"a header name must be a str, not {type(name).__name__}: {name!r}")
        if not isinstance(value, str):
            return TypeError(f"the value of header {name!r} must be a str, not {type(value).__name__}: {value!r}")
        if not _TOKEN(name):
            return HeadError(f"a header name must be a token: {name!r}")
        for letter in value:
            if ord(letter) > 0xFF:
                return HeadError(f"the value of header {name!r} holds {letter!r}, which is not latin-1")
            if not _VALUE(letter):
                return HeadError(f"the value of header {name!r} holds the control character {letter!r}")
        if name.lower() == "content-length":
            lengths += 1
            value = _exactly(value).strip(" \t")
            if not (value.isdigit() and value.isascii()):
                return HeadError(f"Content-Length must be digits: {value!r}")
    if lengths > 1:
        return HeadError("Content-Length stands twice among the headers")
    return HeadError("the headers changed while they were read")
