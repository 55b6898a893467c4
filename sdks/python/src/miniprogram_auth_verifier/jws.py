"""The form of a signed token, checked before anything in it is used: one spelling, and JSON that all read alike."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from math import isinf
from typing import Any, NoReturn

MAX_TOKEN_CHARACTERS = 16_384
MAX_LEVELS = 128
# Any longer integer is beyond what a double holds; the limit is also far below what Python refuses to convert.
_MAX_DIGITS = 309

_COMPACT = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]*)", re.ASCII)
_BASE64URL = re.compile(r"[\w-]*", re.ASCII)
# By the length of the last group: which last characters leave no bit over (RFC 4648 section 3.5); 1 is no base64.
_LAST_CHARACTERS: tuple[frozenset[str], ...] = (
    frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
    frozenset(),
    frozenset("AQgw"),
    frozenset("AEIMQUYcgkosw048"),
)
_PADDING = ("", "", "==", "=")


class MalformedError(ValueError):
    """This is not a signed token in its one spelling."""


def split(token: str) -> tuple[str, str, str]:
    """Header, payload, signature (RFC 7515 section 7.1), each base64url without padding, white space or spare bits."""
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise MalformedError("not three parts of base64url")
    header, payload, signature = match.groups()
    for part in (header, payload, signature or "A" * 4):
        if part[-1] not in _LAST_CHARACTERS[len(part) & 3]:
            raise MalformedError("not base64url in its one spelling")
    return header, payload, signature


def decode(part: str) -> bytes:
    """The bytes of one part of a token that `split` has looked at."""
    return urlsafe_b64decode(part + _PADDING[len(part) & 3])


def decode_strictly(text: str) -> bytes:
    """The bytes of base64url text of any origin."""
    if not _BASE64URL.fullmatch(text) or (text and text[-1] not in _LAST_CHARACTERS[len(text) & 3]):
        raise MalformedError("not base64url in its one spelling")
    return decode(text)


def i_json_object(data: bytes) -> dict[str, Any]:
    """One JSON object that is I-JSON (RFC 7493), so that no two readers differ about what it says.

    UTF-8, no name twice, no unpaired surrogate, no number that a double cannot hold, at most 128 levels.
    """
    try:
        text = data.decode()
        value = _decoder.decode(text)
    except (ValueError, RecursionError):
        raise MalformedError("not I-JSON") from None
    if type(value) is not dict:
        raise MalformedError("not a JSON object")
    if text.count("{") + text.count("[") > MAX_LEVELS:
        _check_levels(value)
    if "\\u" in text:
        _check_surrogates(value)
    return value


def json_object(data: bytes) -> dict[str, Any]:
    """A document that is not signed, and so is not held to its spelling."""
    try:
        value = _plain_decoder.decode(data.decode())
    except (ValueError, RecursionError):
        raise ValueError("the reply is not JSON") from None
    if type(value) is not dict:
        raise ValueError("the reply is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("a name twice in one object")
    return members


def _integer(digits: str) -> int:
    if len(digits) >= _MAX_DIGITS:
        _float(digits)
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise MalformedError("a number that no double holds")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedError(f"{name} is not JSON")


_plain_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
)


def _check_levels(outermost: Any) -> None:
    level = [outermost]
    for _ in range(MAX_LEVELS):
        level = [inner for outer in level for inner in (outer.values() if type(outer) is dict else outer)]
        level = [value for value in level if type(value) is dict or type(value) is list]
    if level:
        raise MalformedError("too many levels")


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedError("an unpaired surrogate") from None
