"""Checks the access tokens of the mini-program auth gateway inside a Python service, ended sessions included."""

from .claims import AccessTokenClaims, SecurityEvent, StatusReference
from .core import Failure, VerifierState
from .errors import ErrorCode, HttpStatus, VerifierError
from .keys import Algorithm, KeysState
from .source import Reply, Transport
from .status import StatusListState
from .transport import HttpTransport
from .verifier import AsyncVerifier, Verifier

__all__ = [
    "AccessTokenClaims",
    "Algorithm",
    "AsyncVerifier",
    "ErrorCode",
    "Failure",
    "HttpStatus",
    "HttpTransport",
    "KeysState",
    "Reply",
    "SecurityEvent",
    "StatusListState",
    "StatusReference",
    "Transport",
    "Verifier",
    "VerifierError",
    "VerifierState",
]
