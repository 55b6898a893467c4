"""The verifier's only way out to the network: bounded GETs that go to the gateway and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol


@dataclass(frozen=True)
class Reply:
    """What a transport brings back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Makes one GET: follows no redirect, gives up after `timeout` seconds, reads no more than `max_bytes` of body.

    Of your own where the gateway is reached through a proxy, by mutual TLS or not at all, as in a test.
    """

    def __call__(self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout: float) -> Reply: ...


CLOCK_LIMIT_SECONDS = 60


class NotPublishedError(Exception):
    """The gateway says that there is no such document; every other failure may pass."""


@dataclass(frozen=True)
class Answer:
    body: bytes
    etag: str | None
    max_age_seconds: int | None


class GatewaySource:
    """Fetches what the gateway publishes under its issuer, through `base_url` where one is given."""

    def __init__(
        self, issuer: str, base_url: str | None, transport: Transport, timeout: float, now: Callable[[], float]
    ) -> None:
        self._published = _base(issuer, "issuer")
        self._reached = _base(base_url or issuer, "base_url")
        self._transport = transport
        self._timeout = timeout
        self._now = now
        self._ahead_seconds = 0

    def publishes(self, url: str) -> bool:
        """Whether a URL lies under the issuer. Whatever does not is never fetched (SSRF; ASVS 5.0 V9.1.3)."""
        return self._locate(url) is not None

    def get(self, published_url: str, *, accept: str, max_bytes: int, etag: str | None = None) -> Answer | None:
        """The document, or None when it has not changed; raises on every other status, `NotPublishedError` on 404."""
        url = self._locate(published_url)
        if url is None:
            raise ValueError(f"{published_url!r} is not under the issuer, so it is not fetched")
        headers = {"accept": accept}
        if etag is not None:
            headers["if-none-match"] = etag
        try:
            reply = self._transport(url, headers, max_bytes=max_bytes, timeout=self._timeout)
        except Exception as error:
            raise ConnectionError(f"{url} cannot be fetched: {error or type(error).__name__}") from error
        self._note_clock(reply.headers)
        if reply.status == 304 and etag is not None:
            return None
        if reply.status == 404:
            raise NotPublishedError(f"{url} answered 404")
        if reply.status != 200:
            raise ValueError(f"{url} answered {reply.status}")
        if len(reply.body) > max_bytes:
            raise ValueError(f"{url} answered more than {max_bytes} bytes")
        max_age = re.search(r"(?:^|[\s,])max-age=([0-9]{1,9})", reply.headers.get("cache-control", ""), re.IGNORECASE)
        return Answer(reply.body, reply.headers.get("etag"), int(max_age[1]) if max_age else None)

    def clock_error(self) -> str | None:
        """How far this host's clock is from the gateway's, in words, where that is more than a minute."""
        seconds = self._ahead_seconds
        if abs(seconds) <= CLOCK_LIMIT_SECONDS:
            return None
        return f"this host's clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} the gateway's"

    def _note_clock(self, headers: Mapping[str, str]) -> None:
        """RFC 9110 section 6.6.1, and RFC 9111 section 5.1 for a reply that a cache has kept."""
        with suppress(ValueError, TypeError, KeyError):
            sent_at = parsedate_to_datetime(headers["date"]).timestamp() + float(headers.get("age", 0))
            self._ahead_seconds = round(self._now() - sent_at)

    def _locate(self, url: str) -> str | None:
        """`https://auth.example.com/status-lists/1` → `http://gateway.auth-gateway.svc/status-lists/1`."""
        normal = _normalized(url)
        if normal is None or not normal.startswith(self._published):
            return None
        return self._reached + normal[len(self._published) :]


# RFC 3986 characters, so no white space and no backslash, which browsers and servers read differently.
_URL = re.compile(
    r"(https?)://((?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)"
    r"(/[a-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[a-z0-9._~!$&'()*+,;=:@%/?-]*)?",
    re.ASCII | re.IGNORECASE,
)
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.ASCII | re.IGNORECASE)
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


def _normalized(url: str) -> str | None:
    """The URL as it is fetched: scheme and host in lower case, no default port, no dot segments.

    None for what is no such URL: `user@host`, a fragment, an odd character.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme, host = match[1].lower(), match[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORT[scheme])}{_without_dots(match[3] or '/')}{match[4] or ''}"


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4, and as the URL Standard has it, `%2e` is a dot."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if not _DOTS.fullmatch(segment):
            kept.append(segment)
        elif len(segment.lower().replace("%2e", ".")) == 2 and kept:
            kept.pop()
    if _DOTS.fullmatch(segments[-1]):
        kept.append("")
    return "/" + "/".join(kept)


def _base(url: str, name: str) -> str:
    normal = _normalized(url)
    if normal is None or "?" in normal:
        raise ValueError(f"{name} must be an http or https URL without query")
    return normal if normal.endswith("/") else f"{normal}/"
