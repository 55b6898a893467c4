"""Checks the gateway's access tokens with PyJWT: one function, used as a FastAPI dependency or called by hand."""

import os
import re
from urllib.error import URLError

import jwt

ISSUER = os.environ.get("ISSUER", "http://localhost:8080")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)

# Not cache_keys=True: those never expire, so a withdrawn key would be accepted for ever.
_keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300)


class AuthError(Exception):
    """401: the token is missing or bad. 503: the keys cannot be had, which is not the user's fault."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status
        self.headers = {"Retry-After": "5"} if status == 503 else {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def current_user(authorization: "str | None") -> str:
    """The user's id, from the value of the Authorization header; raises AuthError."""
    bearer = re.fullmatch(r"Bearer +(\S+)", authorization or "", re.IGNORECASE)
    if bearer is None:
        raise AuthError(401)
    token = bearer.group(1)
    try:
        claims = jwt.decode(
            token,
            _keys.get_signing_key_from_jwt(token).key,
            algorithms=["ES256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.PyJWKClientError as error:
        # PyJWT has one class for "no such key" and "no answer"; what it was raised from tells them apart.
        raise AuthError(503 if isinstance(error.__context__, (URLError, OSError)) else 401) from None
    except (OSError, ValueError):
        raise AuthError(503) from None  # The reply broke off, or is no JWKS.
    except jwt.PyJWTError:
        raise AuthError(401) from None
    return claims["sub"]
