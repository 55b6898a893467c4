"""The verifier in front of Flask routes, as a decorator."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from flask import Response, g, jsonify, request

from .bearer import bearer_token, refusal_for, require_role
from .errors import VerifierError
from .verifier import AsyncVerifier, Verifier

_View = TypeVar("_View", bound=Callable[..., Any])


def bearer_auth(
    verifier: Verifier | AsyncVerifier, *, any_role: Collection[str] | None = None
) -> Callable[[_View], _View]:
    """Below `@app.get(...)`; then `flask.g.auth`. A view that is `async def` needs an `AsyncVerifier`."""

    def decorate(view: _View) -> _View:
        if isinstance(verifier, AsyncVerifier) != iscoroutinefunction(view):
            raise TypeError("an AsyncVerifier is for views that are async def, a Verifier for the others")
        wrapped: Any = _wrap_async(verifier, view) if isinstance(verifier, AsyncVerifier) else _wrap(verifier, view)
        return wrapped  # type: ignore[no-any-return]

    def _wrap(verifier: Verifier, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                g.auth = require_role(verifier.verify(bearer_token(request.headers.get("Authorization"))), any_role)
            except VerifierError as error:
                return _answer(error)
            return view(*args, **kwargs)

        return guarded

    def _wrap_async(verifier: AsyncVerifier, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                claims = await verifier.verify(bearer_token(request.headers.get("Authorization")))
                g.auth = require_role(claims, any_role)
            except VerifierError as error:
                return _answer(error)
            return await view(*args, **kwargs)

        return guarded

    return decorate


def _answer(error: VerifierError) -> Response:
    refusal = refusal_for(error)
    response = jsonify(refusal.body)
    response.status_code = refusal.status
    response.headers.update(refusal.headers)
    return response
