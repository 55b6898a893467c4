"""What the verifier accepts and what it refuses, by the claims and headers of one token."""

from __future__ import annotations

import hmac
import json
import pickle
import traceback
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from miniprogram_auth_verifier import ErrorCode, Verifier, VerifierError
from support import AUDIENCE, CLIENT_ID, NULL, FakeIssuer, World, b64url


def refusal(verifier: Verifier, token: Any) -> ErrorCode:
    with pytest.raises(VerifierError) as caught:
        verifier.verify(token)
    return caught.value.code


def test_a_good_token_gives_its_claims(world: World) -> None:
    claims = world.verifier().verify(world.gateway.token(roles=["admin"], ext={"shop": 7}, openid="o1"))
    assert (claims.sub, claims.sid, claims.client_id) == ("user-1", "session-0", CLIENT_ID)
    assert (claims.roles, claims.aud, claims.openid) == (("admin",), (AUDIENCE,), "o1")
    assert claims.raw["ext"] == {"shop": 7}


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_a_good_token_may_be_of_typ(world: World, typ: str) -> None:
    world.verifier().verify(world.gateway.token(header={"typ": typ}))


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_a_good_token_may_be_signed_with(world: World, alg: str) -> None:
    world.gateway = FakeIssuer(alg, clock=world.clock)
    verifier = world.verifier()
    for _ in range(3):  # The first by its header's content, the others by its remembered spelling.
        assert verifier.verify(world.gateway.token()).sub == "user-1"


@pytest.mark.parametrize(
    ("audience", "aud"),
    [
        (AUDIENCE, [AUDIENCE, "https://other.example.com"]),
        ([AUDIENCE, "https://other.example.com"], "https://other.example.com"),
    ],
)
def test_one_of_several_audiences_has_to_match(world: World, audience: Any, aud: Any) -> None:
    world.verifier(audience=audience).verify(world.gateway.token(aud=aud))


@pytest.mark.parametrize("token", [None, ""])
def test_refused_is_nothing_at_all(world: World, token: Any) -> None:
    assert refusal(world.verifier(), token) == "token_missing"


NOW = 1_767_225_600


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW - 10}, "token_expired"),
        ({"exp": None}, "claim_missing"),
        ({"nbf": NOW + 60}, "token_not_yet_valid"),
        ({"exp": "9999999999"}, "claim_invalid"),
        ({"exp": True}, "claim_invalid"),
        ({"exp": NULL}, "claim_invalid"),
        ({"nbf": "0"}, "claim_invalid"),
        ({"iat": "0"}, "claim_invalid"),
        ({"iss": "https://evil.example.com"}, "issuer_mismatch"),
        ({"iss": "https://auth.example.com/"}, "issuer_mismatch"),
        ({"iss": ["https://auth.example.com"]}, "issuer_mismatch"),
        ({"iss": None}, "claim_missing"),
        ({"aud": "https://other.example.com"}, "audience_mismatch"),
        ({"aud": ["https://other.example.com"]}, "audience_mismatch"),
        ({"aud": [[AUDIENCE], {}, 7]}, "audience_mismatch"),
        ({"aud": {AUDIENCE: 1}}, "audience_mismatch"),
        ({"aud": None}, "claim_missing"),
        ({"sub": None}, "claim_missing"),
        ({"sub": ""}, "claim_invalid"),
        ({"sub": 7}, "claim_invalid"),
        ({"sub": NULL}, "claim_invalid"),
        ({"sid": None}, "claim_missing"),
        ({"client_id": None}, "claim_missing"),
        ({"jti": None}, "claim_missing"),
        ({"iat": None}, "claim_missing"),
        ({"roles": "admin"}, "claim_invalid"),
        ({"roles": ["admin", 7]}, "claim_invalid"),
        ({"roles": NULL}, "claim_invalid"),
        ({"openid": 1}, "claim_invalid"),
        ({"openid": NULL}, "claim_invalid"),
        ({"status": {}}, "claim_invalid"),
        ({"status": NULL}, "claim_invalid"),
        ({"status": {"status_list": {"idx": -1, "uri": "x"}}}, "claim_invalid"),
        ({"status": {"status_list": {"idx": 0.5, "uri": "x"}}}, "claim_invalid"),
        ({"status": {"status_list": {"idx": True, "uri": "x"}}}, "claim_invalid"),
        ({"status": {"status_list": {"idx": 2**53, "uri": "x"}}}, "claim_invalid"),
        ({"status": {"status_list": {"idx": 1e300, "uri": "x"}}}, "claim_invalid"),
        ({"status": {"status_list": {"idx": 0}}}, "claim_invalid"),
    ],
    ids=str,
)
def test_refused_by_its_claims_is(world: World, claims: dict[str, Any], code: ErrorCode) -> None:
    assert refusal(world.verifier(), world.gateway.token(**claims)) == code


@pytest.mark.parametrize(("leeway", "code"), [(4, None), (5, "token_expired")])
def test_exp_has_the_stated_tolerance(world: World, leeway: int, code: str | None) -> None:
    token = world.gateway.token(exp=NOW - leeway)
    if code is None:
        world.verifier().verify(token)
    else:
        assert refusal(world.verifier(), token) == code


@pytest.mark.parametrize("typ", ["statuslist+jwt", "secevent+jwt", "id+jwt", "", None, 7, NULL])
def test_a_token_of_another_typ_is_refused(world: World, typ: Any) -> None:
    assert refusal(world.verifier(), world.gateway.token(header={"typ": typ})) == "type_mismatch"


def test_a_status_list_or_an_event_is_no_access_token(world: World) -> None:
    verifier = world.verifier()
    extra: dict[str, Any] = {"iss": world.gateway.issuer, "aud": AUDIENCE, "sid": "s", "client_id": "c", "jti": "j"}
    assert refusal(verifier, world.gateway.status_list(**extra)) == "type_mismatch"
    verifier.verify_event(world.gateway.event())  # Whose header is then a remembered one.
    assert refusal(verifier, world.gateway.event()) == "type_mismatch"


def test_a_token_without_status_is_refused_if_the_service_says_so(world: World) -> None:
    token = world.gateway.token(status=None)
    world.verifier().verify(token)
    assert refusal(world.verifier(on_missing_status="refuse"), token) == "claim_missing"


def test_an_unsigned_token_is_refused(world: World) -> None:
    payload = b64url(json.dumps(world.gateway.claims()).encode())
    header = b64url(b'{"alg":"none","kid":"key-1","typ":"JWT"}')
    for signature in ("", "AAAA"):
        assert refusal(world.verifier(), f"{header}.{payload}.{signature}") == "algorithm_refused"


def test_an_hmac_made_with_the_public_key_is_refused(world: World) -> None:
    secret = world.gateway.active.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = b64url(b'{"alg":"HS256","kid":"key-1","typ":"JWT"}')
    signing_input = f"{header}.{b64url(json.dumps(world.gateway.claims()).encode())}"
    mac = hmac.digest(secret, signing_input.encode(), "sha256")
    assert refusal(world.verifier(), f"{signing_input}.{b64url(mac)}") == "algorithm_refused"


def test_an_allowed_algorithm_with_the_key_of_another_is_refused(world: World) -> None:
    assert refusal(world.verifier(), FakeIssuer("RS256", clock=world.clock).token()) == "algorithm_refused"


def test_an_algorithm_that_the_service_has_not_allowed_is_refused(world: World) -> None:
    verifier = world.verifier(algorithms=["RS256", "ES256"])
    assert refusal(verifier, FakeIssuer("EdDSA", clock=world.clock).token()) == "algorithm_refused"


def test_a_good_looking_token_of_another_key_with_the_same_kid_is_refused(world: World) -> None:
    forger = FakeIssuer(clock=world.clock, number=2)
    verifier = world.verifier()
    assert refusal(verifier, forger.token()) == "signature_invalid"
    verifier.verify(world.gateway.token())
    assert refusal(verifier, forger.token()) == "signature_invalid"


def test_a_key_that_the_token_brings_along_is_not_looked_at(world: World) -> None:
    forger = FakeIssuer(clock=world.clock, number=2)
    header = {"jwk": forger.active.jwk, "jku": "https://evil.example.com/jwks.json", "x5u": "https://evil.example.com"}
    assert refusal(world.verifier(), forger.token(header=header)) == "signature_invalid"
    assert all(url.startswith(world.gateway.issuer) for url in world.gateway.urls)


@pytest.mark.parametrize("crit", [["b64"], ["x"], [], "exp", NULL])
def test_a_token_with_crit_is_refused(world: World, crit: Any) -> None:
    token = world.gateway.token(header={"crit": crit, "b64": True, "x": 1})
    assert refusal(world.verifier(), token) == "token_malformed"


@pytest.mark.parametrize("kid", [None, 7, NULL, ["key-1"]])
def test_a_token_that_names_no_key_is_refused(world: World, kid: Any) -> None:
    assert refusal(world.verifier(), world.gateway.token(header={"kid": kid})) == "key_unknown"


@pytest.mark.parametrize("alg", [None, 7, "", NULL, ["ES256"]])
def test_a_token_that_names_no_algorithm_is_refused(world: World, alg: Any) -> None:
    assert refusal(world.verifier(), world.gateway.token(header={"alg": alg})) == "token_malformed"


def test_a_token_as_long_as_a_book_is_refused(world: World) -> None:
    assert refusal(world.verifier(), world.gateway.token(roles=["a" * 20_000])) == "token_malformed"


@pytest.mark.parametrize(
    "payload",
    [b"[]", b"7", b"", b"{", b'{"a":NaN}', b"\xff{}", b"\xef\xbb\xbf{}", b"[" * 9000, b'{"a":%s}' % (b"9" * 400)],
)
def test_a_signed_payload_that_is_no_json_object_is_refused(world: World, payload: bytes) -> None:
    assert refusal(world.verifier(), world.gateway.signed(payload)) == "token_malformed"


def test_a_payload_in_utf16_is_refused(world: World) -> None:
    payload = json.dumps(world.gateway.claims()).encode("utf-16")
    assert refusal(world.verifier(), world.gateway.signed(payload)) == "token_malformed"


def test_a_token_has_one_spelling(world: World) -> None:
    verifier, token = world.verifier(), world.gateway.token()
    verifier.verify(token)
    header, payload, signature = token.split(".")
    last = signature[-1]
    spare = chr(ord(last) + 1)  # An ES256 signature ends in A, Q, g or w: four spare bits.
    odd = [
        f" {token}",
        f"{token}\n",
        f"{token}=",
        f"{token}==",
        f"{header}=.{payload}.{signature}",
        f"{header}\n.{payload}.{signature}",
        f"{header}.{payload}.{signature[:-1]}{spare}",
        f"{header}.{payload}.{signature}.",
        f".{token}",
        f"{header}.{payload}",
        f"{header}..{signature}",
        token.replace("-", "+").replace("_", "/") + ("" if "-" in token or "_" in token else "+"),
        token[:-3] + "é" + token[-2:],
        f"Bearer {token}",
    ]
    for spelling in odd:
        assert refusal(verifier, spelling) == "token_malformed", spelling


def test_a_token_with_any_one_character_changed_is_refused(world: World) -> None:
    verifier, token = world.verifier(), world.gateway.token()
    verifier.verify(token)

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, len(token) - 1), st.sampled_from("ABCxyz019-_."))
    def change(at: int, character: str) -> None:
        if token[at] != character:
            refusal(verifier, token[:at] + character + token[at + 1 :])

    change()


def test_any_nonsense_is_refused_with_a_verifier_error(world: World) -> None:
    verifier = world.verifier()
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "x"]), inner),
        max_leaves=8,
    )

    @settings(max_examples=200, deadline=None)
    @given(st.text(), json_values, st.binary())
    def nonsense(text: str, header: Any, payload: bytes) -> None:
        if text:
            refusal(verifier, text)
        refusal(verifier, f"{b64url(json.dumps(header).encode())}.{b64url(payload) or 'AAAA'}.AAAA")

    nonsense()


def test_a_signed_payload_of_any_form_never_ends_in_another_error(world: World) -> None:
    verifier = world.verifier()
    names = ["iss", "aud", "exp", "nbf", "iat", "sub", "sid", "jti", "client_id", "roles", "status", "openid", "events"]
    odd = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["status_list", "uri", "idx", "iss", "sub", "format"]), inner)
        ),
        max_leaves=6,
    )

    @settings(max_examples=200, deadline=None)
    @given(st.dictionaries(st.sampled_from([*names, "sub_id"]), odd, max_size=3))
    def change(claims: dict[str, Any]) -> None:
        payload = json.dumps({**world.gateway.claims(), **claims}).encode()
        for check, typ in ((verifier.verify, "JWT"), (verifier.verify_event, "secevent+jwt")):
            with suppress(VerifierError):
                check(world.gateway.signed(payload, {"typ": typ}))

    change()


def test_bytes_are_no_token(world: World) -> None:
    assert refusal(world.verifier(), world.gateway.token().encode()) == "token_malformed"


def test_an_error_holds_no_part_of_the_token(world: World) -> None:
    secret = "oSecretOpenid"
    for token in (world.gateway.token(exp=1, openid=secret), world.gateway.token(status={"x": secret}), f"{secret}.x"):
        with pytest.raises(VerifierError) as caught:
            world.verifier().verify(token)
        text = "".join(traceback.format_exception(caught.value)).replace('secret = "oSecretOpenid"', "")
        assert secret not in text
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_an_error_survives_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(VerifierError("session_ended", "the session has ended")))  # noqa: S301
    assert (error.code, error.status, str(error)) == ("session_ended", 401, "the session has ended")


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": ""},
        {"issuer": "auth.example.com"},
        {"issuer": "file:///etc"},
        {"issuer": "https://user@auth.example.com"},
        {"issuer": "https://auth.example.com?x"},
        {"base_url": "auth-gateway"},
        {"audience": ""},
        {"audience": []},
        {"audience": [""]},
        {"algorithms": []},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"on_stale_status": "allow "},
        {"on_missing_status": "deny"},
    ],
    ids=str,
)
def test_a_verifier_with_a_gap_in_its_configuration_is_not_made(world: World, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"issuer|audience|algorithms|base_url|on_"):
        world.verifier(**options)


def test_a_spelling_of_the_header_is_not_remembered_for_another_key(world: World) -> None:
    verifier = world.start()
    old = world.gateway.token()
    verifier.verify(old)
    forger = FakeIssuer(clock=world.clock, number=2)
    # The key behind the same kid is another one from now on: what was remembered for the old one is forgotten.
    world.gateway.published[:] = [forger.active.jwk]
    world.clock.advance(verifier, 300)
    assert refusal(verifier, old) == "signature_invalid"
    verifier.verify(forger.token())


def test_no_more_spellings_of_a_header_are_remembered_than_a_gateway_can_need(world: World) -> None:
    verifier = world.start()
    for number in range(100):
        verifier.verify(world.gateway.token(header={"x": number}))
    assert len(verifier._core._keys._ring.headers) == 64
    verifier.verify(world.gateway.token())


def test_a_spelling_is_not_remembered_for_a_key_that_was_withdrawn_while_its_token_was_checked(world: World) -> None:
    verifier = world.start()
    keys = verifier._core._keys
    withdrawn = keys._ring.keys["key-1"]
    header = world.gateway.token().split(".")[0]
    world.gateway.published[:] = [FakeIssuer(clock=world.clock, number=2).active.jwk]
    world.clock.advance(verifier, 300)
    keys._ring.remember(withdrawn, frozenset({"jwt", "at+jwt"}), header)
    assert refusal(verifier, world.gateway.token()) == "signature_invalid"
