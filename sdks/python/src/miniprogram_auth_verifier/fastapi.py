"""The verifier in front of FastAPI routes, as a dependency."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI, HTTPException, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase

from .bearer import bearer_token, refusal_for, require_role
from .claims import AccessTokenClaims
from .errors import VerifierError
from .verifier import AsyncVerifier


class RefusedError(HTTPException):
    """A refusal as FastAPI answers one by itself: right status and headers, the envelope under `detail`."""

    def __init__(self, reason: VerifierError) -> None:
        refusal = refusal_for(reason)
        super().__init__(refusal.status, dict(refusal.body), dict(refusal.headers))
        self.reason = reason


class BearerAuth(SecurityBase):
    """`Auth = Annotated[AccessTokenClaims, Depends(BearerAuth(verifier))]`, then a parameter `auth: Auth`."""

    def __init__(self, verifier: AsyncVerifier, *, any_role: Collection[str] | None = None) -> None:
        self._verifier = verifier
        self._any_role = any_role
        # What FastAPI puts into the OpenAPI document.
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "AccessToken"

    async def __call__(self, request: Request) -> AccessTokenClaims:
        try:
            claims = await self._verifier.verify(bearer_token(request.headers.get("authorization")))
            return require_role(claims, self._any_role)
        except VerifierError as error:
            raise RefusedError(error) from None


def answer_refusals(app: FastAPI) -> None:
    """Has refusals answered in the gateway's envelope alone, as the verifiers of other languages do."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RefusedError):
            raise error
        return JSONResponse(error.detail, error.status_code, error.headers)

    app.add_exception_handler(RefusedError, answer)
