"""What both verifiers do, without a wait of their own: where one is needed, the fetch to wait for is yielded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from math import floor
from typing import Literal

from . import jws
from .claims import (
    AccessTokenClaims,
    Expectations,
    SecurityEvent,
    access_token_claims,
    check_common,
    security_event,
)
from .errors import VerifierError
from .keys import ALGORITHMS, Algorithm, KeySet, KeysState
from .refresher import Background, Flight, Refresher
from .source import GatewaySource, Transport
from .status import StatusLists, StatusListState

_MAX_LIST_THREADS = 4
_ACCESS_TYPES = frozenset({"jwt", "at+jwt"})
_EVENT_TYPES = frozenset({"secevent+jwt"})
_ACCESS_REQUIRED = ("iss", "aud", "exp")
_EVENT_REQUIRED = ("iss", "aud", "iat", "jti", "sub_id", "events")

_log = logging.getLogger("miniprogram_auth_verifier")

OnMissing = Literal["allow", "refuse"]


@dataclass(frozen=True)
class Failure:
    """A failure in the background; the verifier goes on and tries again."""

    part: Literal["keys", "status"]
    url: str
    error: Exception


@dataclass(frozen=True)
class VerifierState:
    """For a health page. `usable`: keys are there and not too old."""

    usable: bool
    keys: KeysState
    status_lists: tuple[StatusListState, ...]


@dataclass(frozen=True)
class Settings:
    """What a verifier is made with; see `Verifier`."""

    issuer: str
    audience: str | Collection[str]
    base_url: str | None
    algorithms: Collection[Algorithm]
    clock_tolerance_seconds: float
    max_stale_seconds: float
    on_stale_status: OnMissing
    on_missing_status: OnMissing
    wait_seconds: float
    fetch_timeout_seconds: float
    transport: Transport
    now: Callable[[], float]
    monotonic: Callable[[], float]
    on_failure: Callable[[Failure], None] | None


class Core:
    def __init__(self, settings: Settings) -> None:
        audiences = frozenset([settings.audience] if isinstance(settings.audience, str) else settings.audience)
        # A check that a gap in the configuration leaves out is no check: such a service must not start (ASVS V9.2.3).
        if not audiences or not all(isinstance(one, str) and one for one in audiences):
            raise ValueError("audience must not be empty")
        if not settings.algorithms or not set(settings.algorithms) <= set(ALGORITHMS):
            raise ValueError(f"algorithms must be some of {', '.join(ALGORITHMS)}")
        for name in ("on_stale_status", "on_missing_status"):
            if getattr(settings, name) not in ("allow", "refuse"):
                raise ValueError(f"{name} must be allow or refuse")
        self._settings = settings
        source = GatewaySource(
            settings.issuer, settings.base_url, settings.transport, settings.fetch_timeout_seconds, settings.now
        )
        self._expected = Expectations(settings.issuer, audiences, settings.clock_tolerance_seconds, source.clock_error)
        # Threads of their own for the keys, so that no number of hanging lists can hold them up.
        self._keys_background = Background("auth-verifier-keys", 1, settings.monotonic)
        self._lists_background = Background("auth-verifier-lists", _MAX_LIST_THREADS, settings.monotonic)
        self._keys = KeySet(
            issuer=settings.issuer,
            source=source,
            background=self._keys_background,
            algorithms=frozenset(settings.algorithms),
            max_stale_seconds=settings.max_stale_seconds,
            monotonic=settings.monotonic,
            on_failure=lambda url, error: self._report(Failure("keys", url, error)),
        )
        self._lists = StatusLists(
            issuer=settings.issuer,
            source=source,
            keys=self._keys,
            background=self._lists_background,
            clock_tolerance_seconds=settings.clock_tolerance_seconds,
            now=settings.now,
            monotonic=settings.monotonic,
            wait_seconds=settings.wait_seconds,
            on_failure=lambda url, error: self._report(Failure("status", url, error)),
        )

    def verify(self, token: str | None) -> Generator[Flight, None, AccessTokenClaims]:
        payload = yield from self._keys.verified(_bounded(token), _ACCESS_TYPES)
        check_common(payload, self._expected, self._epoch(), _ACCESS_REQUIRED)
        claims = access_token_claims(payload)
        if claims.status is None:
            if self._settings.on_missing_status == "refuse":
                raise VerifierError("claim_missing", 'the token has no "status"')
            return claims
        status = yield from self._lists.look_up(claims.status, claims.exp)
        if status == "ended":
            raise VerifierError("session_ended", "the session has ended")
        if status == "unknown" and self._settings.on_stale_status == "refuse":
            raise VerifierError("status_unavailable", "the session's status cannot be fetched")
        return claims

    def verify_event(self, token: str | None) -> Generator[Flight, None, SecurityEvent]:
        payload = yield from self._keys.verified(_bounded(token), _EVENT_TYPES)
        check_common(payload, self._expected, self._epoch(), _EVENT_REQUIRED)
        return security_event(payload)

    def ready(self) -> Generator[Flight, None, None]:
        yield self._keys.refresh()
        if not self._keys.usable():
            raise self._keys.unavailable()
        aggregation_url = self._keys.status_list_aggregation
        if aggregation_url is None:
            return
        flights: list[Flight] = []
        yield Refresher(self._lists_background, lambda: self._preload(aggregation_url, flights), _ignore).refresh()
        yield from flights

    def state(self) -> VerifierState:
        return VerifierState(self._keys.usable(), self._keys.state(), self._lists.state())

    def close(self) -> None:
        self._keys_background.close()
        self._lists_background.close()

    def _preload(self, url: str, flights: list[Flight]) -> None:
        try:
            flights.extend(self._lists.preload(url))
        except Exception as error:
            self._report(Failure("status", url, error))

    def _epoch(self) -> int:
        return floor(self._settings.now())

    def _report(self, failure: Failure) -> None:
        if self._settings.on_failure is None:
            _log.warning("a fetch failed, which is tried again: %s (%s)", failure.error, failure.url)
            return
        try:
            self._settings.on_failure(failure)
        except Exception:
            _log.exception("on_failure has itself failed")  # Which must not end the polling.


def _bounded(token: str | None) -> str:
    if not token:
        raise VerifierError("token_missing", "there is no token")
    if type(token) is not str:
        raise VerifierError("token_malformed", "the token is no text")
    if len(token) > jws.MAX_TOKEN_CHARACTERS:
        raise VerifierError("token_malformed", "the token is too long")
    return token


def _ignore(_error: Exception) -> None:
    """Nothing is left to report."""
