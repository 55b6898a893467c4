"""The gateway's public keys, kept in memory ready for use, so that finding one costs a look into a dict."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from . import jws
from .errors import VerifierError
from .refresher import Background, Flight, Refresher
from .source import GatewaySource

UNKNOWN_KID_INTERVAL_SECONDS = 30.0
DEFAULT_MAX_AGE_SECONDS = 300
LONGEST_MAX_AGE_SECONDS = 3600
MAX_BYTES = 256 * 1024
MAX_REMEMBERED_HEADERS = 64

Algorithm = Literal["ES256", "RS256", "EdDSA"]
ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "RS256", "EdDSA")
# RFC 8725 section 3.1: what a key must be to be used with its algorithm; RFC 7518 section 3.3 for the length.
_KEY_TYPES = {"ES256": ("EC", "P-256"), "RS256": ("RSA", None), "EdDSA": ("OKP", "Ed25519")}
_MIN_RSA_BITS = 2048


class PublishedKey:
    """A key of the JWKS with the one algorithm that it is used with."""

    __slots__ = ("_key", "_verify", "alg")

    def __init__(self, jwk: jwt.PyJWK, alg: str) -> None:
        self.alg = alg
        self._key = jwk.key
        self._verify = jwk.Algorithm.verify

    def signed(self, signing_input: bytes, signature: bytes) -> bool:
        return self._verify(signing_input, self._key, signature)


@dataclass(frozen=True)
class _Metadata:
    jwks_uri: str
    status_list_aggregation: str | None


@dataclass(frozen=True)
class _Ring:
    """One JWKS. Headers that came with a good signature are remembered: the gateway spells them all alike."""

    keys: Mapping[str, PublishedKey]
    headers: dict[tuple[frozenset[str], str], PublishedKey] = field(default_factory=dict)

    def remember(self, key: PublishedKey, types: frozenset[str], header_part: str) -> None:
        # Only where the key is still in this set: another thread may have put a newer one in its place meanwhile.
        if len(self.headers) < MAX_REMEMBERED_HEADERS and key in self.keys.values():
            self.headers[types, header_part] = key


@dataclass(frozen=True)
class KeysState:
    kids: tuple[str, ...]
    age_seconds: int | None
    failing: bool


class KeySet:
    def __init__(
        self,
        *,
        issuer: str,
        source: GatewaySource,
        background: Background,
        algorithms: Collection[str],
        max_stale_seconds: float,
        monotonic: Callable[[], float],
        on_failure: Callable[[str, Exception], None],
    ) -> None:
        self._issuer = issuer
        self._configuration_url = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
        self._source = source
        self._algorithms = algorithms
        self._max_stale_seconds = max_stale_seconds
        self._monotonic = monotonic
        self._on_failure = on_failure
        self._refresher = Refresher(background, self._load, self._load_failed)
        self._metadata: _Metadata | None = None
        self._ring = _Ring({})
        self._etag: str | None = None
        self._max_age_seconds = DEFAULT_MAX_AGE_SECONDS
        self._fetched_at: float | None = None

    def refresh(self) -> Flight:
        """Fetches now, or joins the fetch under way; afterwards `usable` tells whether there are keys."""
        return self._refresher.refresh()

    def usable(self) -> bool:
        fetched_at = self._fetched_at
        return fetched_at is not None and self._monotonic() - fetched_at < self._max_stale_seconds

    @property
    def status_list_aggregation(self) -> str | None:
        """From discovery: where all status lists are named."""
        return self._metadata.status_list_aggregation if self._metadata else None

    def unavailable(self) -> VerifierError:
        """What to raise when there are no keys: with the URL and what went wrong there."""
        why = self._refresher.last_error or f"{self._configuration_url} has not answered yet"
        return VerifierError("keys_unavailable", f"the signing keys cannot be fetched: {why}")

    def state(self) -> KeysState:
        age = None if self._fetched_at is None else round(self._monotonic() - self._fetched_at)
        return KeysState(tuple(self._ring.keys), age, self._refresher.failing)

    def verified(self, token: str, types: frozenset[str]) -> Generator[Flight, None, dict[str, Any]]:
        """The payload of a token signed by a published key as one of the types; yields the fetches it has to wait for.

        Raises `VerifierError`: `token_malformed`, `algorithm_refused`, `type_mismatch`, `key_unknown`,
        `keys_unavailable`, `signature_invalid`.
        """
        try:
            header_part, payload_part, signature_part = jws.split(token)
            remembered = self._ring.headers.get((types, header_part)) if self.usable() else None
            header = {} if remembered else _header(header_part)
            payload = jws.i_json_object(jws.decode(payload_part))
        except jws.MalformedError as error:
            raise VerifierError("token_malformed", f"this is not a signed JWT: {error}") from None
        key = remembered or (yield from self._find(header, types))
        if not key.signed(f"{header_part}.{payload_part}".encode(), jws.decode(signature_part)):
            raise VerifierError("signature_invalid", "invalid signature")
        if remembered is None:
            self._ring.remember(key, types, header_part)
        return payload

    def _find(self, header: Mapping[str, Any], types: frozenset[str]) -> Generator[Flight, None, PublishedKey]:
        alg, kid = header["alg"], header.get("kid")
        if alg not in self._algorithms:
            raise VerifierError("algorithm_refused", "the algorithm is not allowed")
        if _type_name(header.get("typ")) not in types:
            raise VerifierError("type_mismatch", "this is a token for another purpose")
        if type(kid) is not str:
            raise VerifierError("key_unknown", "the token names no key")
        key = self._ring.keys.get(kid) if self.usable() else None
        if key is None:
            key = yield from self._find_after_fetch(kid)
        # RFC 8725 section 3.1: a key is used with its own algorithm alone, whatever the token's header says.
        if key.alg != alg:
            raise VerifierError("algorithm_refused", "the token was not signed with the algorithm of its key")
        return key

    def _find_after_fetch(self, kid: str) -> Generator[Flight, None, PublishedKey]:
        """The one exception to "no call on the request path": no keys yet, or a token that names one we have not seen.

        The gateway publishes a key a day before it signs, so a good token gets here only after an emergency rotation.
        """
        if not self.usable():
            flight = self._refresher.settle(lambda: not self.usable())
            if flight is not None:
                yield flight
            if not self.usable():
                raise self.unavailable()
        else:
            flight = self._refresher.settle_sparingly(lambda: kid not in self._ring.keys, UNKNOWN_KID_INTERVAL_SECONDS)
            if flight is not None and not flight.done():
                yield flight
        key = self._ring.keys.get(kid)
        if key is not None:
            return key
        if self._refresher.failing:
            raise self.unavailable()
        raise VerifierError("key_unknown", "the token is signed by no published key")

    def _load(self) -> float:
        metadata = self._metadata
        if metadata is None:
            metadata = self._metadata = self._discover()
        answer = self._source.get(metadata.jwks_uri, accept="application/json", max_bytes=MAX_BYTES, etag=self._etag)
        if answer is not None:
            self._ring = _Ring(self._import(jws.json_object(answer.body), metadata.jwks_uri))
            self._etag = answer.etag
            # A key leaves this set when it leaves the JWKS, so no reply may be kept for long, whatever it says.
            self._max_age_seconds = min(answer.max_age_seconds or DEFAULT_MAX_AGE_SECONDS, LONGEST_MAX_AGE_SECONDS)
        self._fetched_at = self._monotonic()
        clock_error = self._source.clock_error()
        if clock_error is not None:
            self._on_failure(metadata.jwks_uri, RuntimeError(clock_error))
        return self._max_age_seconds

    def _load_failed(self, error: Exception) -> None:
        url = self._metadata.jwks_uri if self._metadata else self._configuration_url
        self._metadata = None  # The JWKS may have moved: ask again where it is.
        self._on_failure(url, error)

    def _discover(self) -> _Metadata:
        """OpenID Connect Discovery 1.0 section 4.3: the document must name the very issuer it was asked for."""
        answer = self._source.get(self._configuration_url, accept="application/json", max_bytes=MAX_BYTES)
        document = jws.json_object(answer.body) if answer else {}
        if document.get("issuer") != self._issuer:
            found = json.dumps(document.get("issuer"))[:200]
            raise ValueError(f"{self._configuration_url} is the metadata of the issuer {found}, not of {self._issuer}")
        jwks_uri, aggregation = document.get("jwks_uri"), document.get("status_list_aggregation_endpoint")
        if type(jwks_uri) is not str:
            raise ValueError(f"{self._configuration_url} names no jwks_uri")
        return _Metadata(jwks_uri, aggregation if type(aggregation) is str else None)

    def _import(self, jwks: Mapping[str, Any], url: str) -> dict[str, PublishedKey]:
        """The public signing keys that name an allowed algorithm; a set with none of them counts as a failure."""
        listed = jwks.get("keys")
        keys: dict[str, PublishedKey] = {}
        for jwk in listed if type(listed) is list else []:
            if type(jwk) is not dict or type(jwk.get("kid")) is not str or jwk["kid"] in keys:
                continue
            # CVE-2026-22817 and its kind: a key that names no algorithm of its own would take the token's.
            if type(jwk.get("alg")) is not str or jwk["alg"] not in self._algorithms:
                continue
            if jwk.get("use", "sig") != "sig":
                continue
            try:
                keys[jwk["kid"]] = _published_key(jwk)
            except (ValueError, jwt.PyJWTError) as error:
                self._on_failure(url, error)
        if not keys:
            raise ValueError("the JWKS holds no usable key")
        return keys


def _published_key(jwk: dict[str, Any]) -> PublishedKey:
    alg = jwk["alg"]
    if (jwk.get("kty"), jwk.get("crv")) != _KEY_TYPES[alg]:
        raise ValueError("the key is not of its algorithm's type")
    if "d" in jwk:
        raise ValueError("only public keys belong in a JWKS")
    if type(jwk.get("key_ops")) is list and "verify" not in jwk["key_ops"]:
        raise ValueError("the key is not for verifying")
    try:
        key = jwt.PyJWK(jwk, alg)
    except jwt.PyJWTError:
        raise ValueError("the key cannot be read") from None  # PyJWT's message holds the whole key.
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _MIN_RSA_BITS:
        raise ValueError(f"an RSA key of less than {_MIN_RSA_BITS} bits is not safe")
    return PublishedKey(key, alg)


def _header(part: str) -> dict[str, Any]:
    header = jws.i_json_object(jws.decode(part))
    # `crit` and `b64` (RFC 7797) change what is signed; the gateway uses neither.
    if "crit" in header or "b64" in header:
        raise jws.MalformedError("the header asks for an extension")
    if type(header.get("alg")) is not str or not header["alg"]:
        raise jws.MalformedError("the header names no algorithm")
    return header


def _type_name(typ: object) -> str | None:
    """RFC 7515 section 4.1.9: `application/` may be left out, case does not count."""
    return typ.lower().removeprefix("application/") if type(typ) is str else None
