"""The verifier's refusals: a closed set of codes, so that a service can branch on the reason and a test can name it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

ErrorCode = Literal[
    "token_missing",
    "token_malformed",
    "token_expired",
    "token_not_yet_valid",
    "signature_invalid",
    "algorithm_refused",
    "key_unknown",
    "type_mismatch",
    "issuer_mismatch",
    "audience_mismatch",
    "claim_missing",
    "claim_invalid",
    "session_ended",
    "role_missing",
    "keys_unavailable",
    "status_unavailable",
]
HttpStatus = Literal[401, 403, 503]

STATUS_BY_CODE: Mapping[ErrorCode, HttpStatus] = MappingProxyType(
    {
        "token_missing": 401,
        "token_malformed": 401,
        "token_expired": 401,
        "token_not_yet_valid": 401,
        "signature_invalid": 401,
        "algorithm_refused": 401,
        "key_unknown": 401,
        "type_mismatch": 401,
        "issuer_mismatch": 401,
        "audience_mismatch": 401,
        "claim_missing": 401,
        "claim_invalid": 401,
        "session_ended": 401,
        "role_missing": 403,
        # Not the caller's fault: a client that is told 401 logs its user out, so an outage must never look like one.
        "keys_unavailable": 503,
        "status_unavailable": 503,
    }
)


class VerifierError(Exception):
    """Why a token was not accepted.

    `code` is stable, `status` the HTTP status that fits. Neither the message nor the cause holds any part of the token,
    so the whole error may be logged.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.status: HttpStatus = STATUS_BY_CODE[code]

    def __reduce__(self) -> tuple[type[VerifierError], tuple[ErrorCode, str]]:
        # An exception with two arguments that passes one on would not survive pickling (multiprocessing, Celery).
        return VerifierError, (self.code, str(self))
