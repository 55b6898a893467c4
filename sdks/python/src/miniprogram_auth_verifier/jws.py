"""The one spelling of a signed token (RFC 7515 section 7.1), taken apart; what it says is for others to believe."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from typing import Any, NoReturn

_COMPACT = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
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
    """Header, payload and signature, each base64url without padding, white space or spare bits."""
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise MalformedError("not a compact JWS")
    header, payload, signature = parts = match.groups()
    for part in parts:
        if part[-1] not in _LAST_CHARACTERS[len(part) & 3]:
            raise MalformedError("not base64url in its one spelling")
    return header, payload, signature


def decode(part: str) -> bytes:
    """The bytes of one part of a token that `split` has looked at."""
    return urlsafe_b64decode(part + _PADDING[len(part) & 3])


def decode_strictly(text: str) -> bytes:
    """The bytes of base64url text of any origin."""
    if re.fullmatch(r"[\w-]*", text, re.ASCII) is None or (text and text[-1] not in _LAST_CHARACTERS[len(text) & 3]):
        raise MalformedError("not base64url in its one spelling")
    return decode(text)


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8, as RFC 8259 has it: no NaN, no UTF-16, and no depth that exhausts the stack."""
    try:
        value = _decoder.decode(data.decode())
    except (ValueError, RecursionError):
        raise MalformedError("not JSON") from None
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
