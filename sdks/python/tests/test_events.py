"""Security event tokens: what is accepted and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from miniprogram_auth_verifier import ErrorCode, VerifierError
from support import AUDIENCE, ISSUER, NULL, FakeIssuer, World

SUBJECT = {"format": "iss_sub", "iss": ISSUER, "sub": "user-1"}


def test_a_good_event_gives_its_claims(world: World) -> None:
    event = world.verifier().verify_event(world.gateway.event(txn="t-1"))
    assert (event.sub, event.jti, event.aud) == ("user-1", "event-1", (AUDIENCE,))
    assert list(event.events.values()) == [{"sid": "session-0"}]
    assert event.raw["txn"] == "t-1"


def test_an_event_needs_no_exp_and_keeps_to_one_that_it_has(world: World) -> None:
    verifier = world.verifier()
    verifier.verify_event(world.gateway.event(exp=world.gateway.epoch() + 60))
    with pytest.raises(VerifierError) as caught:
        verifier.verify_event(world.gateway.event(exp=world.gateway.epoch() - 60))
    assert caught.value.code == "token_expired"


def test_an_event_may_be_about_no_user(world: World) -> None:
    verifier = world.verifier()
    assert verifier.verify_event(world.gateway.event(sub_id=None)).sub is None
    assert verifier.verify_event(world.gateway.event(sub_id={"format": "opaque", "id": "stream-1"})).sub is None


@pytest.mark.parametrize("typ", ["secevent+jwt", "SECEVENT+JWT", "application/secevent+jwt"])
def test_a_good_event_may_be_of_typ(world: World, typ: str) -> None:
    world.verifier().verify_event(world.gateway.event(header={"typ": typ}))


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://evil.example.com"}, "issuer_mismatch"),
        ({"iss": None}, "claim_missing"),
        ({"aud": "https://other.example.com"}, "audience_mismatch"),
        ({"aud": None}, "claim_missing"),
        ({"iat": None}, "claim_missing"),
        ({"iat": "now"}, "claim_invalid"),
        ({"jti": None}, "claim_missing"),
        ({"jti": ""}, "claim_invalid"),
        ({"jti": 7}, "claim_invalid"),
        ({"events": None}, "claim_missing"),
        ({"events": NULL}, "claim_invalid"),
        ({"events": {}}, "claim_invalid"),
        ({"events": ["x"]}, "claim_invalid"),
        ({"events": {"x": "y"}}, "claim_invalid"),
        ({"sub_id": "user-1"}, "claim_invalid"),
        ({"sub_id": {}}, "claim_invalid"),
        ({"sub_id": {**SUBJECT, "iss": "https://evil.example.com"}}, "claim_invalid"),
        ({"sub_id": {**SUBJECT, "sub": ""}}, "claim_invalid"),
        ({"sub_id": {**SUBJECT, "sub": 7}}, "claim_invalid"),
    ],
    ids=str,
)
def test_refused_by_its_claims_is(world: World, claims: dict[str, Any], code: ErrorCode) -> None:
    with pytest.raises(VerifierError) as caught:
        world.verifier().verify_event(world.gateway.event(**claims))
    assert caught.value.code == code


def test_an_access_token_or_a_status_list_is_no_event(world: World) -> None:
    verifier = world.verifier()
    verifier.verify(world.gateway.token())
    for token in (world.gateway.token(), world.gateway.status_list()):
        with pytest.raises(VerifierError) as caught:
            verifier.verify_event(token)
        assert caught.value.code == "type_mismatch"


def test_an_event_of_another_key_is_refused(world: World) -> None:
    with pytest.raises(VerifierError) as caught:
        world.verifier().verify_event(FakeIssuer(clock=world.clock, number=2).event())
    assert caught.value.code == "signature_invalid"
