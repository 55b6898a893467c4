"""The verifier on an event loop: the same verdicts, and the loop is never held up."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from miniprogram_auth_verifier import AsyncVerifier, Reply, VerifierError
from support import DISCOVERY, JWKS, World, rest, until


def test_parallel_cold_verifies_make_one_fetch_of_each_document(world: World) -> None:
    tokens = [world.gateway.token(index) for index in range(50)]

    async def run() -> None:
        verifier = world.async_verifier()
        claims = await asyncio.gather(*(verifier.verify(token) for token in tokens))
        assert [one.sid for one in claims] == [f"session-{index}" for index in range(50)]

    asyncio.run(run())
    assert sorted(world.gateway.requests) == [JWKS, DISCOVERY, "/status-lists/1"]


def test_refusals_events_and_readiness_are_those_of_the_other_verifier(world: World) -> None:
    async def run() -> None:
        async with world.async_verifier() as verifier:
            await verifier.ready()
            assert verifier.state().usable
            with pytest.raises(VerifierError) as caught:
                await verifier.verify(world.gateway.token(exp=1))
            assert caught.value.code == "token_expired"
            assert (await verifier.verify_event(world.gateway.event())).user_id == "user-1"

    asyncio.run(run())


def test_an_ended_session_is_refused_after_one_ttl(world: World) -> None:
    verifier = world.async_verifier()
    token = world.gateway.token(7)
    assert asyncio.run(verifier.verify(token)).sub == "user-1"
    rest(verifier)
    world.gateway.ended.add(7)
    world.clock.advance(verifier, 30)
    with pytest.raises(VerifierError) as caught:
        asyncio.run(verifier.verify(token))  # On another loop than the first: it belongs to none.
    assert caught.value.code == "session_ended"


def hanging(release: threading.Event) -> Reply:
    release.wait(30)
    raise TimeoutError


def test_a_gateway_that_never_answers_holds_a_request_no_longer_than_wait_seconds_and_the_loop_not_at_all(
    world: World,
) -> None:
    release = threading.Event()
    world.gateway.overrides[DISCOVERY] = lambda: hanging(release)

    async def run() -> None:
        verifier = world.async_verifier(wait_seconds=0.3)
        waiting = asyncio.create_task(verifier.verify(world.gateway.token()))
        longest, last = 0.0, time.monotonic()
        while not waiting.done():
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        with pytest.raises(VerifierError) as caught:
            await waiting
        assert caught.value.code == "keys_unavailable"
        assert longest < 0.2

    asyncio.run(run())
    release.set()


def test_one_who_is_cancelled_while_waiting_cancels_nobody_else(world: World) -> None:
    release = threading.Event()
    answer = world.gateway.answer(DISCOVERY, None)

    def slow() -> Reply:
        release.wait(10)
        return answer

    world.gateway.overrides[DISCOVERY] = slow
    token = world.gateway.token()

    async def run() -> None:
        verifier = world.async_verifier()
        first, second = (asyncio.create_task(verifier.verify(token)) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        release.set()
        assert (await second).sub == "user-1"
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(run())
    assert world.gateway.asked(DISCOVERY) == 1


def test_a_loop_that_ends_while_a_fetch_is_under_way_ends_quietly(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    world.gateway.overrides[DISCOVERY] = lambda: hanging(release)
    verifier = world.async_verifier(wait_seconds=0.05)

    async def run(made: AsyncVerifier) -> None:
        with pytest.raises(VerifierError):
            await made.verify(world.gateway.token())

    asyncio.run(run(verifier))
    release.set()
    until(lambda: len(world.failures) == 1)
    rest(verifier)
    assert caplog.text == ""
