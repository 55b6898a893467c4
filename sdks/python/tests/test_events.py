"""Security event tokens: what is accepted and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from miniprogram_auth_verifier import ErrorCode, VerifierError
from support import AUDIENCE, ISSUER, NULL, FakeIssuer, World

SUBJECT = {"format": "iss_sub", "iss": ISSUER, "sub": "user-1"}


def test_a_good_event_gives_its_claims(world: World) -> None:
    event = world.verifier().verify_event(world.gateway.event(txn="t-1"))
    assert (event.user_id, event.jti, event.aud, event.txn) == ("user-1", "event-1", (AUDIENCE,), "t-1")
    assert list(event.events.values()) == [{"sid": "session-0"}]


def test_an_event_may_be_about_no_user_of_this_gateway(world: World) -> None:
    verifier = world.verifier()
    elsewhere = {**SUBJECT, "iss": "https://other.example.com"}
    for sub_id in ({"format": "opaque", "id": "stream-1"}, elsewhere):
        event = verifier.verify_event(world.gateway.event(sub_id=sub_id))
        assert (event.sub_id, event.user_id) == (sub_id, None)


def test_the_user_of_a_session_is_in_a_complex_subject(world: World) -> None:
    verifier = world.verifier()
    session = {"format": "opaque", "id": "session-0"}
    sub_id = {"format": "complex", "user": SUBJECT, "session": session}
    assert verifier.verify_event(world.gateway.event(sub_id=sub_id)).user_id == "user-1"
    for user in (None, "user-1", {**SUBJECT, "iss": "https://other.example.com"}, {**SUBJECT, "sub": 1}, session):
        odd = {"format": "complex", "user": user, "session": session}
        assert verifier.verify_event(world.gateway.event(sub_id=odd)).user_id is None


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
        ({"sub_id": None}, "claim_missing"),
        ({"sub_id": {"format": "iss_sub", "sub": "user-1"}}, "claim_invalid"),
        ({"exp": 2**33}, "claim_invalid"),
        ({"sub": "user-1"}, "claim_invalid"),
        ({"txn": 7}, "claim_invalid"),
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
