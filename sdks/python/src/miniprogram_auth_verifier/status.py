"""The Token Status Lists (draft-ietf-oauth-status-list) that recent tokens refer to.

They are polled in the background and kept as bitmaps, so that "has this session ended" costs one bit test.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Literal

from . import jws
from .claims import StatusReference, check_times
from .errors import VerifierError
from .keys import KeySet
from .refresher import Background, Flight, Refresher, run_in_thread
from .source import GatewaySource, NotPublishedError

DEFAULT_TTL_SECONDS = 30
LONGEST_TTL_SECONDS = 3600
DEFAULT_LIFE_SECONDS = 600
KEEP_UNUSED_SECONDS = 3600
MAX_PRELOADED_LISTS = 256
MAX_BYTES = 8 * 1024 * 1024
# 64 million one-bit sessions. The reply is small and inflates: this is what stops a bomb.
MAX_INFLATED_BYTES = 8 * 1024 * 1024

_LIST_TYPES = frozenset({"statuslist+jwt"})

SessionStatus = Literal["live", "ended", "unknown"]
"""`unknown`: there is no list, it is past its `exp`, or it is shorter than the index (draft section 8.3)."""


@dataclass(frozen=True, slots=True)
class _PublishedList:
    ended: bytes
    issued_at: float
    # By the clock, and by the time that has passed since: a clock that is set back makes no list fresh again.
    expires_at: float
    expires_at_elapsed: float
    ttl_seconds: float


@dataclass(frozen=True)
class StatusListState:
    uri: str
    age_seconds: int | None
    expired: bool
    failing: bool


class _TrackedList:
    __slots__ = ("etag", "held", "needed_until", "refresher")

    def __init__(self, needed_until: float) -> None:
        self.needed_until = needed_until
        self.held: _PublishedList | None = None
        self.etag: str | None = None
        self.refresher: Refresher


class StatusLists:
    def __init__(
        self,
        *,
        issuer: str,
        source: GatewaySource,
        keys: KeySet,
        background: Background,
        clock_tolerance_seconds: float,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        wait_seconds: float,
        on_failure: Callable[[str, Exception], None],
    ) -> None:
        self._issuer = issuer
        self._source = source
        self._keys = keys
        self._background = background
        self._tolerance = clock_tolerance_seconds
        self._now = now
        self._monotonic = monotonic
        self._wait_seconds = wait_seconds
        self._on_failure = on_failure
        self._lists: dict[str, _TrackedList] = {}

    def look_up(self, reference: StatusReference, token_exp: float) -> Generator[Flight, None, SessionStatus]:
        """The status of a session; yields the fetch to wait for when its list has never been seen.

        Raises `claim_invalid` for a list of another issuer.
        """
        tracked = self._lists.get(reference.uri) or self._track(reference.uri)
        now, elapsed = self._now(), self._monotonic()
        # As long as such a token lives its list is polled and what is known of it is kept.
        tracked.needed_until = max(tracked.needed_until, elapsed + max(token_exp - now, KEEP_UNUSED_SECONDS))
        if tracked.held is None:
            flight = tracked.refresher.settle(lambda: tracked.held is None)
            if flight is not None:
                yield flight
        held = tracked.held
        if held is None:
            return "unknown"
        at = reference.idx >> 3
        if at >= len(held.ended):
            return "unknown"
        # Least significant bit first (draft section 4.1). An ended session stays ended, however old the list.
        if held.ended[at] >> (reference.idx & 7) & 1:
            return "ended"
        return "unknown" if self._is_expired(held, now, elapsed) else "live"

    def _is_expired(self, held: _PublishedList, now: float, elapsed: float) -> bool:
        return now >= held.expires_at + self._tolerance or elapsed >= held.expires_at_elapsed + self._tolerance

    def preload(self, aggregation_url: str) -> list[Flight]:
        """Starts fetching every list an aggregation document names (draft section 9)."""
        answer = self._source.get(aggregation_url, accept="application/json", max_bytes=MAX_BYTES)
        uris = jws.json_object(answer.body).get("status_lists") if answer else None
        if type(uris) is not list:
            raise ValueError("no status lists are named")
        ours = [uri for uri in uris if type(uri) is str and self._source.publishes(uri)]
        return [(self._lists.get(uri) or self._track(uri)).refresher.refresh() for uri in ours[:MAX_PRELOADED_LISTS]]

    def state(self) -> tuple[StatusListState, ...]:
        return tuple(self._state_of(uri, tracked) for uri, tracked in list(self._lists.items()))

    def _state_of(self, uri: str, tracked: _TrackedList) -> StatusListState:
        now, held = self._now(), tracked.held
        return StatusListState(
            uri,
            None if held is None else round(now - held.issued_at),
            held is None or self._is_expired(held, now, self._monotonic()),
            tracked.refresher.failing,
        )

    def _track(self, uri: str) -> _TrackedList:
        # The URI comes out of a token: only one that lies under the issuer is ever asked (SSRF).
        if not self._source.publishes(uri):
            raise VerifierError("claim_invalid", "the status list was issued by another issuer")
        tracked = _TrackedList(self._monotonic() + KEEP_UNUSED_SECONDS)
        tracked.refresher = Refresher(
            self._background, lambda: self._load(uri, tracked), lambda error: self._on_failure(uri, error)
        )
        return self._lists.setdefault(uri, tracked)

    def _load(self, uri: str, tracked: _TrackedList) -> float | None:
        held = tracked.held
        # A 304 does not renew the list we hold, which dies at its own `exp`: near that, the whole is asked for.
        renews = held is None or self._monotonic() + held.ttl_seconds >= held.expires_at_elapsed
        missing: NotPublishedError | None = None
        try:
            answer = self._source.get(
                uri, accept="application/statuslist+jwt", max_bytes=MAX_BYTES, etag=None if renews else tracked.etag
            )
            if answer is not None:
                tracked.held = _merge(held, self._open(answer.body, uri))
                tracked.etag = answer.etag
        except NotPublishedError as error:
            # The list of sessions that are long gone; until then, one that another replica has yet to publish.
            missing = error
        # Only here, where the gateway is in reach: during an outage nothing that is known is let go.
        if self._monotonic() > tracked.needed_until:
            self._lists.pop(uri, None)
            return None
        if missing is not None:
            raise missing
        return tracked.held.ttl_seconds if tracked.held else None

    def _open(self, body: bytes, uri: str) -> _PublishedList:
        """Draft section 8.3: a list counts when the gateway signed it as one, for this URI, and it has not expired."""
        claims = run_in_thread(self._keys.verified(body.decode("ascii"), _LIST_TYPES), self._wait_seconds)
        if claims.get("sub") != uri:
            raise ValueError("the status list is of another uri")
        if claims.get("iss", self._issuer) != self._issuer:
            raise ValueError("the status list was issued by another issuer")
        check_times(claims, int(self._now()), self._tolerance)
        if "iat" not in claims:
            raise ValueError("the status list has no iat")
        published = claims.get("status_list")
        if type(published) is not dict or type(published.get("lst")) is not str:
            raise ValueError("the status list has no lst")
        bits = published.get("bits")
        if type(bits) is bool or bits not in (1, 2, 4, 8):
            raise ValueError("the status list has odd bits")
        ttl = claims.get("ttl")
        if not (type(ttl) is int or type(ttl) is float) or ttl < 1:
            ttl = DEFAULT_TTL_SECONDS
        issued_at = claims["iat"]
        expires_at = claims.get("exp", issued_at + DEFAULT_LIFE_SECONDS)
        return _PublishedList(
            ended_bits(_inflate(jws.decode_strictly(published["lst"])), int(bits)),
            issued_at,
            expires_at,
            self._monotonic() + expires_at - max(self._now(), issued_at),
            min(ttl, LONGEST_TTL_SECONDS),
        )


def _inflate(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    statuses = unpacker.decompress(data, MAX_INFLATED_BYTES + 1)
    if len(statuses) > MAX_INFLATED_BYTES:
        raise ValueError("the status list is too long")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("the status list is not one zlib stream")
    return statuses


def _merge(held: _PublishedList | None, latest: _PublishedList) -> _PublishedList:
    """What either list says has ended has ended: an older copy, from a slow replica or a cache, revives no session."""
    if held is None:
        return latest
    newest = latest if latest.issued_at >= held.issued_at else held
    return replace(newest, ended=_union(held.ended, latest.ended))


def _union(one: bytes, other: bytes) -> bytes:
    return _from_int(_to_int(one) | _to_int(other), max(len(one), len(other)))


def ended_bits(statuses: bytes, bits: int) -> bytes:
    """One bit for each session, from 1, 2, 4 or 8: every status but 0 (VALID) means that the session does not live."""
    if bits == 1:
        return statuses
    union = 0
    length = -(-len(statuses) // bits)
    for offset in range(bits):
        union |= _to_int(statuses[offset::bits].translate(_flags_table(bits, offset)))
    return _from_int(union, length)


def _flags_table(bits: int, offset: int) -> bytes:
    """For each byte of statuses, the bits that it gives to the byte of flags in which it is the offset-th."""
    per_byte = 8 // bits
    mask = (1 << bits) - 1
    flags = (sum((byte >> place * bits & mask != 0) << place for place in range(per_byte)) for byte in range(256))
    return bytes(flag << offset * per_byte for flag in flags)


def _to_int(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _from_int(value: int, length: int) -> bytes:
    return value.to_bytes(length, "little")
