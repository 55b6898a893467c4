"""A whole issuer in memory (keys, metadata, JWKS, status lists) behind a transport that counts; and a clock to move."""

from __future__ import annotations

import json
import threading
import time
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from miniprogram_auth_verifier import AsyncVerifier, Failure, Reply, Verifier
from miniprogram_auth_verifier.refresher import Background

ISSUER = "https://auth.example.com"
AUDIENCE = "https://orders.example.com"
CLIENT_ID = "wx0000000000000001"
JWKS = "/.well-known/jwks.json"
DISCOVERY = "/.well-known/openid-configuration"
LIST = "/status-lists/1"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_ALGORITHMS = jwt.algorithms.get_default_algorithms()


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def new_private_key(alg: str) -> PrivateKey:
    if alg == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else ed25519.Ed25519PrivateKey.generate()


@cache
def private_key(alg: str, number: int) -> PrivateKey:
    """RSA keys take long to make, so every test uses the same ones."""
    return new_private_key(alg)


def public_jwk(key: PrivateKey, kid: str, alg: str) -> dict[str, Any]:
    return {**_ALGORITHMS[alg].to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": alg, "use": "sig"}


def sign(header: Mapping[str, Any], payload: bytes, key: PrivateKey, alg: str) -> str:
    signing_input = f"{b64url(json.dumps(header).encode())}.{b64url(payload)}"
    return f"{signing_input}.{b64url(_ALGORITHMS[alg].sign(signing_input.encode(), key))}"


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """A `None` leaves a claim out; `NULL` is JSON's null."""
    return {name: None if value is NULL else value for name, value in values.items() if value is not None}


NULL = object()


class FakeClock:
    """Wall clock and elapsed time, which only the test moves."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def advance(self, verifier: Verifier | AsyncVerifier, seconds: float) -> None:
        """Moves the clock from one due fetch to the next, each of which is over before the clock goes on."""
        target = self.now + seconds
        rest(verifier)
        while True:
            due = min((entry[0] for background in backgrounds(verifier) for entry in background._queue), default=target)
            self.now = min(target, max(self.now, due))
            for background in backgrounds(verifier):
                with background._changed:
                    background._changed.notify_all()
            rest(verifier)
            if self.now >= target:
                return


def backgrounds(verifier: Verifier | AsyncVerifier) -> tuple[Background, Background]:
    return verifier._core._keys_background, verifier._core._lists_background


def rest(verifier: Verifier | AsyncVerifier) -> None:
    """Waits until nothing is due and nothing is being fetched."""
    until(lambda: all(is_idle(background) for background in backgrounds(verifier)))


def is_idle(background: Background) -> bool:
    with background._changed:
        due = bool(background._queue) and background._queue[0][0] <= background._monotonic()
        return not due and background._threads == background._waiting


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends_at:
            raise TimeoutError("what was awaited did not happen")
        time.sleep(0.001)


@dataclass(frozen=True)
class SigningKey:
    kid: str
    alg: str
    private: PrivateKey
    jwk: dict[str, Any]


def reply(body: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Reply:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Reply(status, headers or {}, data)


class FakeIssuer:
    def __init__(
        self, alg: str = "ES256", issuer: str = ISSUER, clock: FakeClock | None = None, number: int = 1
    ) -> None:
        self.alg = alg
        self.issuer = issuer
        self.clock = clock or FakeClock()
        self.list_uri = f"{issuer}{LIST}"
        self.requests: list[str] = []
        self.urls: list[str] = []
        self.overrides: dict[str, Callable[[], Reply]] = {}
        self.published: list[Any] = []
        self.ended: set[int] = set()
        self.down = False
        self.unchanged = False
        self.jwks_headers: dict[str, str] = {"cache-control": "public, max-age=300"}
        self._lock = threading.Lock()
        self.active = self.publish("key-1", private_key(alg, number))

    def publish(self, kid: str, key: PrivateKey | None = None) -> SigningKey:
        key = key or new_private_key(self.alg)
        made = SigningKey(kid, self.alg, key, public_jwk(key, kid, self.alg))
        self.published.append(made.jwk)
        return made

    def epoch(self) -> int:
        return int(self.clock.now)

    def claims(self, index: int = 0, **changes: Any) -> dict[str, Any]:
        return without_none(
            {
                "iss": self.issuer,
                "sub": "user-1",
                "aud": AUDIENCE,
                "client_id": CLIENT_ID,
                "iat": self.epoch(),
                "exp": self.epoch() + 900,
                "jti": "token-1",
                "sid": f"session-{index}",
                "status": {"status_list": {"idx": index, "uri": self.list_uri}},
                **changes,
            }
        )

    def signed(self, payload: bytes, header: Mapping[str, Any] | None = None) -> str:
        key = self.active
        parts = without_none({"alg": key.alg, "kid": key.kid, "typ": "JWT", **(header or {})})
        return sign(parts, payload, key.private, key.alg)

    def token(self, index: int = 0, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A good access token for the session at `index`, changed at will; `None` leaves a claim out."""
        return self.signed(json.dumps(self.claims(index, **changes)).encode(), header)

    def event(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        claims = without_none(
            {
                "iss": self.issuer,
                "aud": AUDIENCE,
                "iat": self.epoch(),
                "jti": "event-1",
                "sub_id": {"format": "iss_sub", "iss": self.issuer, "sub": "user-1"},
                "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"sid": "session-0"}},
                **changes,
            }
        )
        return self.signed(json.dumps(claims).encode(), {"typ": "secevent+jwt", **(header or {})})

    def status_list(
        self, header: Mapping[str, Any] | None = None, statuses: bytes | None = None, bits: int = 1, **changes: Any
    ) -> str:
        """The status list as the gateway would sign it now."""
        lst = b64url(zlib.compress(bitmap(self.ended) if statuses is None else statuses, 9))
        claims = without_none(
            {
                "sub": self.list_uri,
                "iat": self.epoch(),
                "exp": self.epoch() + 600,
                "ttl": 30,
                "status_list": {"bits": bits, "lst": lst},
                **changes,
            }
        )
        return self.signed(json.dumps(claims).encode(), {"typ": "statuslist+jwt", **(header or {})})

    def asked(self, path: str) -> int:
        return self.requests.count(path)

    def __call__(self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout: float) -> Reply:
        path = urlsplit(url).path
        with self._lock:
            self.requests.append(path)
            self.urls.append(url)
        if self.down:
            raise ConnectionRefusedError("the gateway is away")
        return self.answer(path, headers.get("if-none-match"))

    def answer(self, path: str, if_none_match: str | None) -> Reply:
        if path in self.overrides:
            return self.overrides[path]()
        if path == DISCOVERY:
            return reply(
                {
                    "issuer": self.issuer,
                    "jwks_uri": f"{self.issuer}{JWKS}",
                    "status_list_aggregation_endpoint": f"{self.issuer}/status-lists",
                }
            )
        if path == JWKS:
            return reply({"keys": self.published}, self.jwks_headers)
        if path == "/status-lists":
            return reply({"status_lists": [self.list_uri]})
        if path == LIST:
            if self.unchanged and if_none_match == '"list"':
                return reply(b"", status=304)
            return reply(self.status_list(), {"etag": '"list"'})
        return reply(b"", status=404)


def bitmap(indexes: Iterable[int], size: int = 1024) -> bytes:
    """As the draft wants it, least significant bit first."""
    data = bytearray(size // 8)
    for index in indexes:
        data[index >> 3] |= 1 << (index & 7)
    return bytes(data)


class World:
    """An issuer, a clock, and verifiers that are closed when the test is over."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.gateway = FakeIssuer(clock=self.clock)
        self.failures: list[Failure] = []
        self._made: list[Verifier | AsyncVerifier] = []

    def options(self, **changes: Any) -> dict[str, Any]:
        return {
            "issuer": self.gateway.issuer,
            "audience": AUDIENCE,
            "transport": self.gateway,
            "now": self.clock.time,
            "monotonic": self.clock.time,
            "on_failure": self.failures.append,
            **changes,
        }

    def verifier(self, **changes: Any) -> Verifier:
        made = Verifier(**self.options(**changes))
        self._made.append(made)
        return made

    def async_verifier(self, **changes: Any) -> AsyncVerifier:
        made = AsyncVerifier(**self.options(**changes))
        self._made.append(made)
        return made

    def start(self, **changes: Any) -> Verifier:
        verifier = self.verifier(**changes)
        verifier.ready()
        rest(verifier)
        return verifier

    def close(self) -> None:
        for verifier in self._made:
            verifier.close()
