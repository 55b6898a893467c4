"""What a token says, checked claim by claim once its signature holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import VerifierError

_REQUIRED_TEXTS = ("sub", "sid", "client_id", "jti")
_OPTIONAL_TEXTS = ("openid", "unionid", "platform")
# As in every other language's verifier: beyond this a JavaScript number is no longer exact.
_MAX_SAFE_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where the bit of this token's session is (draft-ietf-oauth-status-list)."""

    uri: str
    idx: int


@dataclass(frozen=True, slots=True)
class AccessTokenClaims:
    """The claims of an access token (RFC 9068), checked: types and presence are as stated."""

    iss: str
    sub: str
    """The user's id."""
    aud: tuple[str, ...]
    client_id: str
    """The mini program's appid."""
    iat: float
    exp: float
    jti: str
    sid: str
    """The session's id."""
    roles: tuple[str, ...] = ()
    status: StatusReference | None = None
    openid: str | None = None
    unionid: str | None = None
    platform: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """All claims as they came, those too that have no field here, such as `external_id` and `ext`."""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """A security event token (RFC 8417), checked."""

    iss: str
    aud: tuple[str, ...]
    iat: float
    jti: str
    """The same for every delivery of one event: remember it, and do nothing twice."""
    sub_id: Mapping[str, Any]
    """Whom it is about (RFC 9493): a user of the gateway is `{"format": "iss_sub", "iss": …, "sub": …}`; a session is
    `{"format": "complex", "user": …, "session": …}`."""
    events: Mapping[str, Mapping[str, Any]]
    """What happened, by the event's URI."""
    txn: str | None = None
    """What several events of one request have in common."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def user_id(self) -> str | None:
        """The user's id, as `sub` in an access token; None where the event is about no user of this gateway."""
        subject = self.sub_id.get("user") if self.sub_id["format"] == "complex" else self.sub_id
        if not isinstance(subject, Mapping) or subject.get("format") != "iss_sub" or subject.get("iss") != self.iss:
            return None
        user = subject.get("sub")
        return user if isinstance(user, str) and user else None


@dataclass(frozen=True, slots=True)
class Expectations:
    """Whom a token must come from and be for, and how exact its clock must be."""

    issuer: str
    audiences: frozenset[str]
    tolerance: float
    clock_error: Callable[[], str | None]
    """How far this host's clock is from the gateway's, where that is more than a tolerance could cover."""


def check_common(claims: Mapping[str, Any], expected: Expectations, now: int, required: tuple[str, ...]) -> None:
    """`iss`, `aud` and the times, in the order in which every verifier of this project looks at them."""
    for name in required:
        if name not in claims:
            raise _missing(name)
    if claims["iss"] != expected.issuer:
        raise VerifierError("issuer_mismatch", f"the token is not of the issuer {expected.issuer}")
    aud = claims["aud"]
    if type(aud) is str:
        fits = aud in expected.audiences
    else:
        are_texts = type(aud) is list and all(type(one) is str for one in aud)
        fits = are_texts and not expected.audiences.isdisjoint(aud)
    if not fits:
        ours = ", ".join(sorted(expected.audiences))
        raise VerifierError("audience_mismatch", f"the token is not for this service, whose audience is {ours}")
    check_times(claims, now, expected.tolerance, expected.clock_error)


def check_times(
    claims: Mapping[str, Any], now: int, tolerance: float, clock_error: Callable[[], str | None] = lambda: None
) -> None:
    _number(claims, "iat")
    not_before = _number(claims, "nbf")
    if not_before is not None and not_before > now + tolerance:
        raise VerifierError("token_not_yet_valid", _because("the token is not valid yet", clock_error()))
    expires = _number(claims, "exp")
    if expires is not None and expires <= now - tolerance:
        raise VerifierError("token_expired", _because("the token has expired", clock_error()))


def _because(words: str, clock_error: str | None) -> str:
    return words if clock_error is None else f"{words}, but {clock_error}"


def access_token_claims(claims: dict[str, Any]) -> AccessTokenClaims:
    """The shape of a token of which `check_common` has been satisfied."""
    for name in _REQUIRED_TEXTS:
        value = claims.get(name)
        if type(value) is not str or not value:
            raise _invalid(name) if name in claims else _missing(name)
    for name in _OPTIONAL_TEXTS:
        if name in claims and type(claims[name]) is not str:
            raise _invalid(name)
    if "iat" not in claims:
        raise _missing("iat")
    roles: Any = claims.get("roles", ())
    if "roles" in claims and not (type(roles) is list and all(type(role) is str for role in roles)):
        raise _invalid("roles")
    return AccessTokenClaims(
        claims["iss"],
        claims["sub"],
        _texts(claims["aud"]),
        claims["client_id"],
        claims["iat"],
        claims["exp"],
        claims["jti"],
        claims["sid"],
        tuple(roles),
        _status_reference(claims["status"]) if "status" in claims else None,
        claims.get("openid"),
        claims.get("unionid"),
        claims.get("platform"),
        claims,
    )


def security_event(claims: dict[str, Any]) -> SecurityEvent:
    """The shape of an event of which `check_common` has been satisfied."""
    # RFC 8417 section 2.2 advises against both: they make an event look like a token that lets somebody in.
    for name in ("exp", "sub"):
        if name in claims:
            raise _invalid(name)
    if not _is_text(claims["jti"]):
        raise _invalid("jti")
    if "txn" in claims and type(claims["txn"]) is not str:
        raise _invalid("txn")
    if not _is_subject(claims["sub_id"]):
        raise _invalid("sub_id")
    events = claims["events"]
    if type(events) is not dict or not events or not all(type(event) is dict for event in events.values()):
        raise _invalid("events")
    return SecurityEvent(
        claims["iss"],
        _texts(claims["aud"]),
        claims["iat"],
        claims["jti"],
        claims["sub_id"],
        events,
        claims.get("txn"),
        claims,
    )


def _is_subject(sub_id: object) -> bool:
    """RFC 9493 section 3.2.3 for users; of other subjects the gateway has none, yet they are well formed."""
    if type(sub_id) is not dict or not _is_text(sub_id.get("format")):
        return False
    return sub_id["format"] != "iss_sub" or (_is_text(sub_id.get("iss")) and _is_text(sub_id.get("sub")))


def _is_text(value: object) -> bool:
    return type(value) is str and value != ""


def _status_reference(status: object) -> StatusReference:
    reference = status.get("status_list") if type(status) is dict else None
    if type(reference) is not dict:
        raise _invalid("status")
    uri, idx = reference.get("uri"), reference.get("idx")
    if type(idx) is float and idx.is_integer():
        idx = int(idx)
    if type(uri) is not str or type(idx) is not int or not 0 <= idx <= _MAX_SAFE_INTEGER:
        raise _invalid("status")
    return StatusReference(uri, idx)


def _texts(aud: Any) -> tuple[str, ...]:
    return (aud,) if type(aud) is str else tuple(aud)


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if type(value) is int or type(value) is float:  # Not a bool, which is an int to Python.
        return value
    if name in claims:
        raise _invalid(name)
    return None


def _missing(name: str) -> VerifierError:
    return VerifierError("claim_missing", f'the token has no "{name}"')


def _invalid(name: str) -> VerifierError:
    return VerifierError("claim_invalid", f'claim "{name}" is invalid')
