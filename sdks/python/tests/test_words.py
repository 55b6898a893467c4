"""An error says what went wrong and where, so that whoever reads a log knows what to do."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

import pytest

from miniprogram_auth_verifier import VerifierError
from support import AUDIENCE, DISCOVERY, ISSUER, JWKS, LIST, World, reply


def words(call: Callable[[], object]) -> str:
    with pytest.raises(VerifierError) as caught:
        call()
    return str(caught.value)


def test_keys_that_are_unavailable_name_the_url_and_what_went_wrong_there(world: World) -> None:
    world.gateway.down = True
    said = words(world.verifier().ready)
    assert f"{ISSUER}{DISCOVERY}" in said
    assert "the gateway is away" in said


def test_metadata_of_another_issuer_is_named(world: World) -> None:
    world.gateway.overrides[DISCOVERY] = lambda: reply({"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}{JWKS}"})
    said = words(world.verifier().ready)
    assert f'"{ISSUER}/"' in said
    assert f"not of {ISSUER}" in said


def test_a_mismatch_names_what_this_service_expects(world: World) -> None:
    verifier = world.verifier(audience=[AUDIENCE, "billing"])
    assert f"billing, {AUDIENCE}" in words(lambda: verifier.verify(world.gateway.token(aud="other")))
    assert ISSUER in words(lambda: verifier.verify(world.gateway.token(iss="other")))


def test_a_missing_or_invalid_claim_is_named(world: World) -> None:
    verifier = world.verifier()
    assert '"sid"' in words(lambda: verifier.verify(world.gateway.token(sid=None)))
    assert '"roles"' in words(lambda: verifier.verify(world.gateway.token(roles="admin")))


@pytest.mark.parametrize(("seconds", "age", "said"), [(-120, "0", "120 s behind"), (300, "20", "280 s ahead of")])
def test_a_token_refused_for_its_time_tells_of_a_clock_that_is_wrong(
    world: World, seconds: int, age: str, said: str
) -> None:
    date = formatdate(world.clock.now - seconds, usegmt=True)
    world.gateway.jwks_headers = {"date": date, "age": age}
    world.gateway.overrides[LIST] = lambda: reply(world.gateway.status_list(), world.gateway.jwks_headers)
    verifier = world.verifier()
    expired = world.gateway.token(exp=world.gateway.epoch() - 10)
    early = world.gateway.token(nbf=world.gateway.epoch() + 10)
    for token in (expired, early):
        assert f"but this host's clock is {said} the gateway's" in words(lambda token=token: verifier.verify(token))  # type: ignore[misc]
    verifier.verify(world.gateway.token())
    assert any(said in str(failure.error) for failure in world.failures)


@pytest.mark.parametrize("date", ["", "nonsense", formatdate(1_767_225_600 - 59, usegmt=True)])
def test_a_clock_that_is_right_or_unknown_is_not_blamed(world: World, date: str) -> None:
    world.gateway.jwks_headers = {"date": date, "age": "-"} if date == "nonsense" else {"date": date}
    verifier = world.start()
    assert "clock" not in words(lambda: verifier.verify(world.gateway.token(exp=1)))
    assert world.failures == []
