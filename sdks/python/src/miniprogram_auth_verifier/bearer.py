"""What the helpers for web frameworks share: the Authorization header, the roles, and how a refusal is answered."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .claims import AccessTokenClaims
from .errors import VerifierError

_BEARER = re.compile(r"Bearer +([\w.~+/=-]+)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """An answer in the gateway's own envelope and codes, so that a mini program knows one form of error."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, str | None]


def bearer_token(authorization: str | None) -> str | None:
    """RFC 6750 section 2.1: the scheme's case does not count. A query or a body is not looked into (RFC 9700)."""
    match = _BEARER.fullmatch(authorization or "")
    return match[1] if match else None


def require_role(claims: AccessTokenClaims, any_role: Collection[str] | None) -> AccessTokenClaims:
    """Lets only those in who have at least one of the roles, where roles are asked for."""
    if any_role is not None and not any(role in any_role for role in claims.roles):
        raise VerifierError("role_missing", "the user has none of the roles this needs")
    return claims


def refusal_for(error: VerifierError) -> Refusal:
    headers = {"cache-control": "no-store"}
    if error.status == 503:
        headers["retry-after"] = "5"
        return Refusal(503, headers, {"code": "B0320", "msg": "服务暂时不可用，请稍后再试", "data": None})
    # RFC 6750 section 3. The description is the verifier's own code, never text from the token.
    kind = "insufficient_scope" if error.status == 403 else "invalid_token"
    headers["www-authenticate"] = f'Bearer error="{kind}", error_description="{error.code}"'
    if error.status == 403:
        return Refusal(403, headers, {"code": "A0312", "msg": "没有权限", "data": None})
    return Refusal(401, headers, {"code": "A0230", "msg": "登录已失效，请重新登录", "data": None})
