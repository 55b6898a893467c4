"""How the verifier gets its keys and keeps them: what is fetched and when, and what an outage or an attacker can do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from miniprogram_auth_verifier import Failure, Reply, VerifierError
from support import AUDIENCE, DISCOVERY, ISSUER, JWKS, World, backgrounds, reply, rest


def refused(verify: Callable[[], object]) -> str:
    with pytest.raises(VerifierError) as caught:
        verify()
    return caught.value.code


def test_parallel_cold_verifies_make_one_fetch_of_each_document(world: World) -> None:
    verifier = world.verifier()
    tokens = [world.gateway.token(index) for index in range(50)]
    with ThreadPoolExecutor(20) as pool:
        assert len(list(pool.map(verifier.verify, tokens))) == 50
    assert sorted(world.gateway.requests) == [JWKS, DISCOVERY, "/status-lists/1"]


def test_making_a_verifier_fetches_nothing_and_after_ready_no_request_does_either(world: World) -> None:
    verifier = world.verifier()
    assert world.gateway.requests == []
    verifier.ready()
    before = len(world.gateway.requests)
    for index in range(20):
        verifier.verify(world.gateway.token(index))
    assert len(world.gateway.requests) == before
    state = verifier.state()
    assert (state.usable, state.keys.kids, state.keys.age_seconds, state.keys.failing) == (True, ("key-1",), 0, False)


def test_a_flood_of_unknown_kids_makes_one_fetch_in_30_seconds(world: World) -> None:
    verifier = world.start()

    def flood() -> None:
        tokens = [world.gateway.token(header={"kid": f"made-up-{number}"}) for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda token: refused(lambda: verifier.verify(token)), tokens))
        assert set(codes) == {"key_unknown"}

    flood()
    flood()
    assert world.gateway.asked(JWKS) == 2
    world.clock.advance(verifier, 29)
    flood()
    assert world.gateway.asked(JWKS) == 2
    world.clock.advance(verifier, 1)
    flood()
    assert world.gateway.asked(JWKS) == 3


def test_a_key_that_was_published_ahead_signs_without_anyone_having_to_wait(world: World) -> None:
    verifier = world.start()
    ahead = world.gateway.publish("key-2")
    world.clock.advance(verifier, 300)
    world.gateway.active = ahead
    before = world.gateway.asked(JWKS)
    assert verifier.verify(world.gateway.token()).sub == "user-1"
    assert world.gateway.asked(JWKS) == before


def test_a_key_that_signs_the_moment_it_exists_is_fetched_once_for_all_who_wait(world: World) -> None:
    verifier = world.start()
    world.gateway.active = world.gateway.publish("key-2")
    token = world.gateway.token()
    with ThreadPoolExecutor(20) as pool:
        assert len(list(pool.map(verifier.verify, [token] * 20))) == 20
    assert world.gateway.asked(JWKS) == 2


def test_a_key_taken_out_of_the_jwks_is_trusted_no_longer_than_the_max_age(world: World) -> None:
    verifier = world.start()
    old = world.gateway.token()
    world.gateway.active = world.gateway.publish("key-2")
    world.gateway.published.pop(0)
    verifier.verify(old)
    world.clock.advance(verifier, 300)
    assert refused(lambda: verifier.verify(old)) == "key_unknown"


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("public, max-age=60", 60),
        ("no-cache", 300),
        ("max-age=0", 300),
        ("max-age=999999", 3600),
        ("s-maxage=60", 300),
    ],
)
def test_the_keys_are_fetched_again_when_their_max_age_is_over(world: World, cache_control: str, seconds: int) -> None:
    world.gateway.jwks_headers = {"cache-control": cache_control}
    verifier = world.start()
    world.clock.advance(verifier, seconds - 1)
    assert world.gateway.asked(JWKS) == 1
    world.clock.advance(verifier, 1)
    assert world.gateway.asked(JWKS) == 2


def test_keys_that_have_not_changed_are_not_sent_again(world: World) -> None:
    world.gateway.jwks_headers = {"etag": '"keys"', "cache-control": "max-age=60"}
    verifier = world.start()
    world.gateway.overrides[JWKS] = lambda: reply(b"", status=304)
    world.clock.advance(verifier, 60)
    assert not verifier.state().keys.failing
    assert verifier.state().keys.age_seconds == 0
    world.clock.advance(verifier, 59)
    assert world.gateway.asked(JWKS) == 2


def test_with_the_gateway_down_good_tokens_are_accepted_for_the_stated_time_and_no_longer(world: World) -> None:
    verifier = world.start(max_stale_seconds=7200)
    world.gateway.down = True
    world.clock.advance(verifier, 7199)
    verifier.verify(world.gateway.token())
    world.clock.advance(verifier, 1)
    with pytest.raises(VerifierError) as caught:
        verifier.verify(world.gateway.token())
    assert (caught.value.code, caught.value.status) == ("keys_unavailable", 503)
    assert verifier.state().keys.failing
    assert not verifier.state().usable
    assert any(failure.part == "keys" for failure in world.failures)

    world.gateway.down = False
    world.clock.advance(verifier, 30)
    assert verifier.state().usable
    verifier.verify(world.gateway.token())


def test_failures_are_tried_again_after_1_2_4_8_16_and_then_every_30_seconds(world: World) -> None:
    world.gateway.down = True
    verifier = world.verifier()
    assert refused(verifier.ready) == "keys_unavailable"
    asked = []
    for _ in range(95):
        world.clock.advance(verifier, 1)
        asked.append(len(world.gateway.requests))
    assert [second for second in range(1, 95) if asked[second] > asked[second - 1]] == [2, 6, 14, 30, 60, 90]


def test_a_gateway_that_is_down_at_the_start_is_an_outage_and_is_not_hammered(world: World) -> None:
    world.gateway.down = True
    verifier = world.verifier()
    assert refused(verifier.ready) == "keys_unavailable"
    token = world.gateway.token()
    for _ in range(100):
        assert refused(lambda: verifier.verify(token)) == "keys_unavailable"
    assert len(world.gateway.requests) == 1
    world.gateway.down = False
    world.clock.advance(verifier, 1)
    assert verifier.state().usable
    verifier.verify(token)


def test_an_unknown_kid_while_the_gateway_is_down_is_an_outage_not_a_bad_token(world: World) -> None:
    verifier = world.start()
    world.gateway.down = True
    assert refused(lambda: verifier.verify(world.gateway.token(header={"kid": "key-2"}))) == "keys_unavailable"
    verifier.verify(world.gateway.token())


def test_a_gateway_that_never_answers_holds_a_request_no_longer_than_wait_seconds(world: World) -> None:
    release = threading.Event()

    def hang() -> Reply:
        release.wait(30)
        raise TimeoutError

    world.gateway.overrides[DISCOVERY] = hang
    verifier = world.verifier(wait_seconds=0.2)
    assert refused(lambda: verifier.verify(world.gateway.token())) == "keys_unavailable"
    release.set()


def _rsa_jwk(bits: int) -> dict[str, Any]:
    public = rsa.generate_private_key(65537, bits).public_key()
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True), "kid": "key-1", "alg": "RS256"}


def _p384_jwk() -> dict[str, Any]:
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    return {**jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True), "kid": "key-1", "alg": "ES256"}


@pytest.mark.parametrize(
    "answer",
    [
        lambda world: reply({"keys": []}),
        lambda world: reply({"keys": 7}),
        lambda world: reply({"keys": [7, None, {}]}),
        lambda world: reply([]),
        lambda world: reply("<html>"),
        lambda world: reply("[" * 100_000),
        lambda world: reply({"keys": world.gateway.published}, {"location": "https://evil.example.com"}, 302),
        lambda world: reply({"keys": world.gateway.published}, status=500),
        lambda world: reply({"keys": world.gateway.published}, status=404),
        lambda world: reply(b'{"keys":[]}' + b" " * 300_000),
        lambda world: reply({"keys": [{**world.gateway.active.jwk, "alg": None}]}),
        lambda world: reply({"keys": [{**world.gateway.active.jwk, "use": "enc"}]}),
        lambda world: reply({"keys": [{**world.gateway.active.jwk, "key_ops": ["sign"]}]}),
        lambda world: reply({"keys": [{**world.gateway.active.jwk, "x": "AAAA"}]}),
        lambda world: reply({"keys": [{**world.gateway.active.jwk, "x": 7}]}),
        lambda world: reply({"keys": [{**world.gateway.active.jwk, "crv": "P-384"}]}),
        lambda world: reply({"keys": [{**world.gateway.active.jwk, "alg": "RS256"}]}),
        lambda world: reply({"keys": [_p384_jwk()]}),
        lambda world: reply({"keys": [_rsa_jwk(1024)]}),
        lambda world: reply({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "key-1", "alg": "ES256"}]}),
        lambda world: reply({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "key-1", "alg": "HS256"}]}),
    ],
)
def test_nonsense_in_the_place_of_the_jwks_changes_nothing(world: World, answer: Callable[[World], Reply]) -> None:
    verifier = world.start()
    nonsense = answer(world)
    world.gateway.overrides[JWKS] = lambda: nonsense
    world.clock.advance(verifier, 300)
    assert verifier.state().keys.failing
    verifier.verify(world.gateway.token())


def test_a_private_key_in_the_jwks_is_not_used(world: World) -> None:
    leaked = ec.generate_private_key(ec.SECP256R1())
    jwk = {**jwt.algorithms.ECAlgorithm.to_jwk(leaked, as_dict=True), "kid": "leaked", "alg": "ES256", "use": "sig"}
    world.gateway.published.append(jwk)
    verifier = world.start()
    assert verifier.state().keys.kids == ("key-1",)
    assert len(world.failures) == 1
    assert str(jwk["d"]) not in repr(world.failures)


def test_metadata_of_another_issuer_is_not_believed(world: World) -> None:
    world.gateway.overrides[DISCOVERY] = lambda: reply(
        {"issuer": "https://evil.example.com", "jwks_uri": f"{ISSUER}{JWKS}"}
    )
    assert refused(world.verifier().ready) == "keys_unavailable"
    assert world.gateway.asked(JWKS) == 0


@pytest.mark.parametrize(
    "jwks_uri",
    [
        "https://evil.example.com/.well-known/jwks.json",
        "https://auth.example.com.evil.example/jwks.json",
        "https://auth.example.com@evil.example/jwks.json",
        "https://auth.example.com\\@evil.example/jwks.json",
        "https://auth.example.com:8443/jwks.json",
        "http://auth.example.com/jwks.json",
        "file:///etc/passwd",
        "/.well-known/jwks.json",
        None,
        7,
    ],
)
def test_a_jwks_uri_outside_the_issuer_is_not_fetched(world: World, jwks_uri: object) -> None:
    world.gateway.overrides[DISCOVERY] = lambda: reply({"issuer": ISSUER, "jwks_uri": jwks_uri})
    assert refused(world.verifier().ready) == "keys_unavailable"
    assert world.gateway.requests == [DISCOVERY]


def test_everything_is_fetched_through_base_url_while_the_issuer_stays_the_public_one(world: World) -> None:
    verifier = world.start(base_url="http://gateway.auth-gateway.svc")
    verifier.verify(world.gateway.token())
    assert len(world.gateway.urls) == 4
    assert all(url.startswith("http://gateway.auth-gateway.svc/") for url in world.gateway.urls)


def test_an_issuer_with_a_path_keeps_to_its_own_tree(world: World) -> None:
    world.gateway.issuer = f"{ISSUER}/tenant"
    world.gateway.overrides["/tenant/.well-known/openid-configuration"] = lambda: reply(
        {"issuer": world.gateway.issuer, "jwks_uri": f"{ISSUER}/tenant/../other/jwks.json"}
    )
    assert refused(world.verifier().ready) == "keys_unavailable"
    assert world.gateway.requests == ["/tenant/.well-known/openid-configuration"]


def test_a_failure_handler_that_itself_fails_does_not_stop_the_polling(world: World) -> None:
    def fail(_failure: Failure) -> None:
        raise RuntimeError("the log is full")

    world.gateway.down = True
    verifier = world.verifier(on_failure=fail)
    assert refused(verifier.ready) == "keys_unavailable"
    world.gateway.down = False
    world.clock.advance(verifier, 1)
    assert verifier.state().usable


def test_without_a_failure_handler_failures_are_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.gateway.down = True
    verifier = world.verifier(on_failure=None)
    assert refused(verifier.ready) == "keys_unavailable"
    assert "openid-configuration" in caplog.text
    assert "the gateway is away" in caplog.text


def test_a_closed_verifier_fetches_nothing_more_and_still_knows_what_it_knew(world: World) -> None:
    verifier = world.start()
    verifier.close()
    before = len(world.gateway.requests)
    world.clock.now += 3600
    assert len(world.gateway.requests) == before
    assert all(background._threads == 0 or background._closed for background in backgrounds(verifier))
    verifier.verify(world.gateway.token())
    assert len(world.gateway.requests) == before


def test_closing_lets_go_of_who_waits(world: World) -> None:
    release = threading.Event()

    def hang() -> Reply:
        release.wait(30)
        raise TimeoutError

    world.gateway.overrides[DISCOVERY] = hang
    verifier = world.verifier()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: refused(verifier.ready))
        while not world.gateway.requests:
            pass
        verifier.close()
        assert waiting.result(5) == "keys_unavailable"
    release.set()


def test_two_verifiers_keep_apart(world: World) -> None:
    one, other = world.start(), world.start(audience="https://other.example.com")
    one.verify(world.gateway.token())
    assert refused(lambda: other.verify(world.gateway.token())) == "audience_mismatch"
    one.close()
    other.verify(world.gateway.token(aud=["https://other.example.com", AUDIENCE]))
    world.clock.advance(other, 300)
    rest(other)
    assert world.gateway.asked(JWKS) == 3
