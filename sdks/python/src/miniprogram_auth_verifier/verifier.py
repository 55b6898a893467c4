"""The two verifiers: a service checks the gateway's access tokens in its own process, in threads or on an event loop.

Keys and status lists are fetched in the background and kept, so a request costs one signature check, and the gateway
may be away.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Collection, Generator
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from .claims import AccessTokenClaims, SecurityEvent
from .core import Core, Failure, OnMissing, Settings, VerifierState
from .keys import ALGORITHMS, Algorithm
from .refresher import Flight, run_in_thread
from .source import Transport
from .transport import HttpTransport

_Result = TypeVar("_Result")


class _Verifier:
    def __init__(
        self,
        issuer: str,
        audience: str | Collection[str],
        *,
        base_url: str | None = None,
        algorithms: Collection[Algorithm] = ALGORITHMS,
        clock_tolerance_seconds: float = 5,
        max_stale_seconds: float = 86_400,
        on_stale_status: OnMissing = "allow",
        on_missing_status: OnMissing = "allow",
        wait_seconds: float = 2,
        fetch_timeout_seconds: float = 5,
        transport: Transport | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> None:
        """Fetches nothing yet: the first token does, or `ready`.

        issuer: the gateway's `ISSUER`, letter for letter.
        audience: what this service answers to; with several, a token for any of them is accepted.
        base_url: where this service reaches the gateway, e.g. `http://gateway.auth-gateway.svc`; else the issuer.
        algorithms: which are taken; a key is never used with an algorithm other than its own.
        clock_tolerance_seconds: for `exp` and `nbf`.
        max_stale_seconds: how long keys are trusted while the gateway cannot be reached; then `keys_unavailable`.
        on_stale_status: what becomes of a token whose status list cannot be had or is past its `exp`. `allow`: accepted
            unless its session is known to have ended, so what ended during the outage is bounded by the token's own
            `exp`. `refuse`: `status_unavailable`.
        on_missing_status: what becomes of a token without a `status` claim; `refuse`: `claim_missing`.
        wait_seconds: the longest a request waits for the network, in the few cases where it does.
        fetch_timeout_seconds: the limit of one fetch.
        transport: makes the fetches; `HttpTransport(ssl_context)` for a private authority or mutual TLS.
        now, monotonic: the clocks: seconds since the epoch, and seconds that no clock change moves; for tests.
        on_failure: told of every failure in the background; without it, the logger `miniprogram_auth_verifier` is.
        """
        self._core = Core(
            Settings(
                issuer,
                audience,
                base_url,
                algorithms,
                clock_tolerance_seconds,
                max_stale_seconds,
                on_stale_status,
                on_missing_status,
                wait_seconds,
                fetch_timeout_seconds,
                transport or HttpTransport(),
                now,
                monotonic,
                on_failure,
            )
        )
        self._wait_seconds = wait_seconds
        # A verifier that is forgotten without `close` leaves no thread behind.
        weakref.finalize(self, self._core.close)

    def state(self) -> VerifierState:
        """For a health page."""
        return self._core.state()

    def close(self) -> None:
        """Stops the background work; `verify` goes on with what is known."""
        self._core.close()


class Verifier(_Verifier):
    """For services that run in threads: Flask, Django, workers. One for the whole process; every thread may use it."""

    def verify(self, token: str | None) -> AccessTokenClaims:
        """The claims of a good token of a live session; raises `VerifierError` otherwise."""
        return run_in_thread(self._core.verify(token), self._wait_seconds)

    def verify_event(self, token: str | None) -> SecurityEvent:
        """A good security event token (RFC 8417) for this audience; raises `VerifierError` otherwise."""
        return run_in_thread(self._core.verify_event(token), self._wait_seconds)

    def ready(self) -> None:
        """Loads keys and status lists before the first request; raises `keys_unavailable`, and goes on trying."""
        run_in_thread(self._core.ready(), None)

    def __enter__(self) -> Verifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncVerifier(_Verifier):
    """For services on an event loop: FastAPI, Starlette, aiohttp. It fetches on the same threads, never on the loop."""

    async def verify(self, token: str | None) -> AccessTokenClaims:
        """The claims of a good token of a live session; raises `VerifierError` otherwise."""
        return await _run_on_loop(self._core.verify(token), self._wait_seconds)

    async def verify_event(self, token: str | None) -> SecurityEvent:
        """A good security event token (RFC 8417) for this audience; raises `VerifierError` otherwise."""
        return await _run_on_loop(self._core.verify_event(token), self._wait_seconds)

    async def ready(self) -> None:
        """Loads keys and status lists before the first request; raises `keys_unavailable`, and goes on trying."""
        await _run_on_loop(self._core.ready(), None)

    async def __aenter__(self) -> AsyncVerifier:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _run_on_loop(steps: Generator[Flight, None, _Result], seconds: float | None) -> _Result:
    """As `run_in_thread`, without holding the loop up."""
    try:
        while True:
            await _wait_on_loop(next(steps), seconds)
    except StopIteration as end:
        result: _Result = end.value
        return result


async def _wait_on_loop(flight: Flight, seconds: float | None) -> None:
    """Whoever stops waiting cancels nothing: the fetch is shared."""
    loop = asyncio.get_running_loop()
    landed = asyncio.Event()

    def tell(_flight: Flight) -> None:
        with suppress(RuntimeError):  # The loop has been closed meanwhile.
            loop.call_soon_threadsafe(landed.set)

    flight.add_done_callback(tell)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(landed.wait(), seconds)
