"""How an ended session becomes known to a verifier, and that nothing makes it forgotten."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from miniprogram_auth_verifier import Reply, StatusListState, Verifier, VerifierError
from miniprogram_auth_verifier.status import ended_bits
from support import JWKS, LIST, FakeIssuer, World, b64url, reply, until


def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(VerifierError) as caught:
        verifier.verify(token)
    return caught.value.code


def first_list(verifier: Verifier) -> StatusListState:
    return verifier.state().status_lists[0]


def test_an_ended_session_is_refused_after_one_ttl_with_no_call_on_the_request_path(world: World) -> None:
    verifier = world.start()
    token, neighbour = world.gateway.token(7), world.gateway.token(8)
    verifier.verify(token)
    world.gateway.ended.add(7)
    world.clock.advance(verifier, 30)
    before = len(world.gateway.requests)
    with pytest.raises(VerifierError) as caught:
        verifier.verify(token)
    assert (caught.value.code, caught.value.status) == ("session_ended", 401)
    verifier.verify(neighbour)
    assert len(world.gateway.requests) == before


def test_with_the_gateway_down_ended_sessions_stay_refused_and_live_ones_accepted(world: World) -> None:
    world.gateway.ended.add(7)
    verifier = world.start()
    world.gateway.down = True
    world.clock.advance(verifier, 3000)
    assert refused(verifier, world.gateway.token(7)) == "session_ended"
    verifier.verify(world.gateway.token(8))


def test_a_service_that_fails_closed_refuses_all_once_the_list_has_expired_and_recovers_by_itself(world: World) -> None:
    verifier = world.start(on_stale_status="refuse")
    world.gateway.down = True
    world.clock.advance(verifier, 604)
    verifier.verify(world.gateway.token())
    world.clock.advance(verifier, 1)
    with pytest.raises(VerifierError) as caught:
        verifier.verify(world.gateway.token())
    assert (caught.value.code, caught.value.status) == ("status_unavailable", 503)
    assert (first_list(verifier).expired, first_list(verifier).failing) == (True, True)
    world.gateway.down = False
    world.clock.advance(verifier, 30)
    assert not first_list(verifier).failing
    verifier.verify(world.gateway.token())


def test_an_older_list_from_a_slow_replica_or_a_cache_brings_no_session_back(world: World) -> None:
    verifier = world.start()
    older = reply(world.gateway.status_list())
    world.gateway.ended.add(7)
    world.clock.advance(verifier, 30)
    world.gateway.overrides[LIST] = lambda: older
    world.clock.advance(verifier, 30)
    assert world.gateway.asked(LIST) == 3
    assert (first_list(verifier).age_seconds, first_list(verifier).failing) == (30, False)
    assert refused(verifier, world.gateway.token(7)) == "session_ended"


def test_a_newer_list_without_the_bit_brings_no_session_back_either(world: World) -> None:
    world.gateway.ended.add(7)
    verifier = world.start()
    world.gateway.ended.clear()
    world.gateway.ended.add(8)
    world.clock.advance(verifier, 30)
    assert refused(verifier, world.gateway.token(7)) == "session_ended"
    assert refused(verifier, world.gateway.token(8)) == "session_ended"


def test_lists_of_different_lengths_are_put_together(world: World) -> None:
    world.gateway.overrides[LIST] = lambda: reply(world.gateway.status_list(statuses=b"\x00\x01"))
    verifier = world.start()
    world.gateway.overrides[LIST] = lambda: reply(world.gateway.status_list(statuses=b"\x01"))
    world.clock.advance(verifier, 30)
    assert [refused(verifier, world.gateway.token(index)) for index in (0, 8)] == ["session_ended"] * 2
    verifier.verify(world.gateway.token(9))


def test_a_304_keeps_the_list_and_renews_nothing_past_its_exp(world: World) -> None:
    verifier = world.start(on_stale_status="refuse")
    world.gateway.unchanged = True
    for _ in range(18):
        world.clock.advance(verifier, 30)
    assert first_list(verifier).age_seconds == 540
    world.clock.advance(verifier, 30)  # At 570 s the list would not last until the next poll: it is asked for whole.
    assert first_list(verifier).age_seconds == 0
    assert world.failures == []


def second_list(world: World) -> Callable[[int], str]:
    uri = f"{world.gateway.issuer}/status-lists/2"
    return lambda idx: world.gateway.token(status={"status_list": {"idx": idx, "uri": uri}})


def test_a_list_met_for_the_first_time_is_waited_for_once_for_all_requests(world: World) -> None:
    verifier = world.start()
    world.gateway.overrides["/status-lists/2"] = lambda: reply(
        world.gateway.status_list(sub=f"{world.gateway.issuer}/status-lists/2", statuses=b"\x02")
    )
    token = second_list(world)
    with ThreadPoolExecutor(20) as pool:
        assert len(list(pool.map(verifier.verify, [token(0)] * 20))) == 20
    assert refused(verifier, token(1)) == "session_ended"
    assert world.gateway.asked("/status-lists/2") == 1


def test_a_list_that_cannot_be_had_is_waited_for_no_longer_than_wait_seconds(world: World) -> None:
    release = threading.Event()

    def hang() -> Reply:
        release.wait(30)
        raise TimeoutError

    verifier = world.start(wait_seconds=0.2)
    world.gateway.overrides["/status-lists/2"] = hang
    verifier.verify(second_list(world)(0))
    release.set()


def test_lists_that_hang_hold_neither_the_keys_up_nor_another_list(world: World) -> None:
    release = threading.Event()

    def hang() -> Reply:
        release.wait(30)
        raise TimeoutError

    verifier = world.start(wait_seconds=0.05)
    for number in (2, 3, 4):
        world.gateway.overrides[f"/status-lists/{number}"] = hang
        uri = f"{world.gateway.issuer}/status-lists/{number}"
        verifier.verify(world.gateway.token(status={"status_list": {"idx": 0, "uri": uri}}))
    world.gateway.ended.add(7)
    world.clock.now += 300
    for background in (verifier._core._keys_background, verifier._core._lists_background):
        with background._changed:
            background._changed.notify_all()
    until(lambda: world.gateway.asked(JWKS) == 2 and world.gateway.asked(LIST) == 2)
    until(lambda: first_list(verifier).age_seconds == 0)
    assert refused(verifier, world.gateway.token(7)) == "session_ended"
    release.set()


def test_a_list_that_cannot_be_had_costs_one_fetch_not_one_for_every_request(world: World) -> None:
    verifier = world.start()
    token = second_list(world)
    for _ in range(50):
        verifier.verify(token(0))
    assert world.gateway.asked("/status-lists/2") == 1
    assert [(failure.part, failure.url) for failure in world.failures] == [
        ("status", f"{world.gateway.issuer}/status-lists/2")
    ]


def test_a_list_that_cannot_be_had_means_a_refusal_where_the_service_fails_closed(world: World) -> None:
    verifier = world.start(on_stale_status="refuse")
    assert refused(verifier, second_list(world)(0)) == "status_unavailable"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example.com/status-lists/1",
        "https://auth.example.com.evil.example/status-lists/1",
        "https://auth.example.com@evil.example/status-lists/1",
        "https://auth.example.com\\.evil.example/status-lists/1",
        "http://169.254.169.254/latest/meta-data",
        "http://auth.example.com/status-lists/1",
        "not a url",
        "",
    ],
)
def test_a_list_outside_the_issuer_is_never_asked_and_its_token_refused(world: World, uri: str) -> None:
    verifier = world.start()
    before = len(world.gateway.requests)
    token = world.gateway.token(status={"status_list": {"idx": 0, "uri": uri}})
    assert refused(verifier, token) == "claim_invalid"
    assert len(world.gateway.requests) == before


@pytest.mark.parametrize(
    "body",
    [
        lambda world: world.gateway.status_list(sub=f"{world.gateway.issuer}/status-lists/2"),
        lambda world: world.gateway.status_list(sub=None),
        lambda world: world.gateway.status_list(header={"typ": "JWT"}),
        lambda world: FakeIssuer(clock=world.clock, number=2).status_list(statuses=b"\xff" * 128),
        lambda world: world.gateway.status_list(exp=world.gateway.epoch() - 10),
        lambda world: world.gateway.status_list(iat=None),
        lambda world: world.gateway.status_list(iat="now"),
        lambda world: world.gateway.status_list(nbf=world.gateway.epoch() + 3600),
        lambda world: world.gateway.status_list(status_list={"bits": 1}),
        lambda world: world.gateway.status_list(status_list=[]),
        lambda world: world.gateway.status_list(bits=3),
        lambda world: world.gateway.status_list(status_list={"bits": True, "lst": "eNrbuRgAAhcBXQ"}),
        lambda world: world.gateway.status_list(status_list={"bits": 1, "lst": "AAAA"}),
        lambda world: world.gateway.status_list(status_list={"bits": 1, "lst": "eNrbuRgAAhcBXQ=="}),
        lambda world: world.gateway.status_list(status_list={"bits": 1, "lst": "eNrbuRgAAhcBXR"}),
        lambda world: world.gateway.status_list(status_list={"bits": 1, "lst": ""}),
        lambda world: world.gateway.status_list(
            status_list={"bits": 1, "lst": b64url(zlib.compress(b"\xff" * 64)[:-2])}
        ),
        lambda world: world.gateway.token(sub=world.gateway.list_uri),
        lambda world: world.gateway.status_list(statuses=bytes(64 * 1024 * 1024)),
        lambda world: world.gateway.status_list() + " " * 9 * 1024 * 1024,
        lambda world: "",
        lambda world: "é",
    ],
)
def test_not_believed_is_a_list_that_is_not_one_and_what_was_known_before_still_holds(
    world: World, body: Callable[[World], str]
) -> None:
    world.gateway.ended.add(7)
    verifier = world.start()
    bad = reply(body(world))
    world.gateway.overrides[LIST] = lambda: bad
    world.clock.advance(verifier, 30)
    assert [(failure.part, failure.url) for failure in world.failures] == [("status", world.gateway.list_uri)]
    assert refused(verifier, world.gateway.token(7)) == "session_ended"
    verifier.verify(world.gateway.token(8))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_lists_of_every_width_are_read_alike(world: World, bits: int) -> None:
    statuses = [index % (2**bits - 1) + 1 if index % 7 == 3 else 0 for index in range(203)]
    data = bytearray(-(-len(statuses) * bits // 8))
    for index, status in enumerate(statuses):
        data[index * bits // 8] |= status << index * bits % 8
    world.gateway.overrides[LIST] = lambda: reply(world.gateway.status_list(statuses=bytes(data), bits=bits))
    verifier = world.start()
    for index, status in enumerate(statuses):
        if status == 0:
            verifier.verify(world.gateway.token(index))
        else:
            assert refused(verifier, world.gateway.token(index)) == "session_ended"
    assert len(ended_bits(bytes(data), bits)) == -(-len(data) // bits)


def test_the_vector_of_the_draft_is_read_as_the_draft_says(world: World) -> None:
    # draft-ietf-oauth-status-list section 4.2: B9 A3, least significant bit first.
    world.gateway.overrides[LIST] = lambda: reply(
        world.gateway.status_list(status_list={"bits": 1, "lst": "eNrbuRgAAhcBXQ"})
    )
    verifier = world.start()
    for index, status in enumerate([1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]):
        if status == 0:
            verifier.verify(world.gateway.token(index))
        else:
            assert refused(verifier, world.gateway.token(index)) == "session_ended"


def test_a_session_younger_than_the_list_with_an_index_past_its_end_is_not_refused(world: World) -> None:
    world.start().verify(world.gateway.token(2**40))


def test_a_ttl_is_kept_within_bounds(world: World) -> None:
    for ttl, seconds in ((1, 1), (0.5, 30), (-1, 30), ("1", 30), (True, 30), (10**9, 3600)):
        world.gateway.overrides[LIST] = lambda ttl=ttl: reply(world.gateway.status_list(ttl=ttl, exp=2**33))  # type: ignore[misc]
        verifier = world.start()
        before = world.gateway.asked(LIST)
        world.clock.advance(verifier, seconds - 0.5)
        assert world.gateway.asked(LIST) == before, ttl
        world.clock.advance(verifier, 0.5)
        assert world.gateway.asked(LIST) == before + 1, ttl
        verifier.close()


def test_a_list_is_polled_as_long_as_a_token_that_was_seen_can_live_then_forgotten(world: World) -> None:
    verifier = world.start()
    verifier.verify(world.gateway.token(exp=world.gateway.epoch() + 7200))
    world.clock.advance(verifier, 7200)
    assert first_list(verifier).age_seconds == 0
    world.clock.advance(verifier, 30)
    assert verifier.state().status_lists == ()


def test_a_list_no_longer_published_keeps_its_say_as_long_as_a_token_can_live_then_is_forgotten(world: World) -> None:
    world.gateway.ended.add(7)
    verifier = world.start()
    exp = world.gateway.epoch() + 7200
    verifier.verify(world.gateway.token(exp=exp))
    world.gateway.overrides[LIST] = lambda: reply(b"", status=404)
    world.clock.advance(verifier, 7190)
    assert (first_list(verifier).uri, first_list(verifier).failing) == (world.gateway.list_uri, True)
    assert refused(verifier, world.gateway.token(7, exp=exp)) == "session_ended"
    world.clock.advance(verifier, 3700)
    assert verifier.state().status_lists == ()
    asked = world.gateway.asked(LIST)
    world.clock.advance(verifier, 3600)
    assert world.gateway.asked(LIST) == asked


def test_in_an_outage_a_list_is_kept_past_the_life_of_every_token(world: World) -> None:
    world.gateway.ended.add(7)
    verifier = world.start()
    world.gateway.down = True
    world.clock.advance(verifier, 8000)
    assert (first_list(verifier).uri, first_list(verifier).failing) == (world.gateway.list_uri, True)


def test_lists_are_not_loaded_ahead_from_a_page_that_names_none(world: World) -> None:
    world.gateway.overrides["/status-lists"] = lambda: reply({"status_lists": "x"})
    verifier = world.start()
    assert verifier.state().status_lists == ()
    assert [failure.part for failure in world.failures] == ["status"]
    verifier.verify(world.gateway.token())


def test_a_list_signed_by_a_key_not_seen_yet_brings_the_key_along(world: World) -> None:
    verifier = world.start()
    world.gateway.active = world.gateway.publish("key-2")
    world.gateway.ended.add(7)
    world.clock.advance(verifier, 30)
    assert world.failures == []
    assert refused(verifier, world.gateway.token(7)) == "session_ended"
