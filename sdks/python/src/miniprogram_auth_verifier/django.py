"""The verifier in front of Django views, as a decorator."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from .bearer import bearer_token, refusal_for, require_role
from .errors import VerifierError
from .verifier import AsyncVerifier, Verifier

_View = TypeVar("_View", bound=Callable[..., Any])


def bearer_auth(
    verifier: Verifier | AsyncVerifier, *, any_role: Collection[str] | None = None
) -> Callable[[_View], _View]:
    """Above a view; then `request.auth`. A view that is `async def` needs an `AsyncVerifier`.

    The view is exempt from Django's CSRF check: no browser adds an Authorization header to another site's request.
    """

    def decorate(view: _View) -> _View:
        if isinstance(verifier, AsyncVerifier) != iscoroutinefunction(view):
            raise TypeError("an AsyncVerifier is for views that are async def, a Verifier for the others")
        wrapped = _wrap_async(verifier, view) if isinstance(verifier, AsyncVerifier) else _wrap(verifier, view)
        return csrf_exempt(wrapped)  # type: ignore[no-any-return]

    def _wrap(verifier: Verifier, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                claims = verifier.verify(bearer_token(request.headers.get("Authorization")))
                request.auth = require_role(claims, any_role)
            except VerifierError as error:
                return _answer(error)
            return view(request, *args, **kwargs)

        return guarded

    def _wrap_async(verifier: AsyncVerifier, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                claims = await verifier.verify(bearer_token(request.headers.get("Authorization")))
                request.auth = require_role(claims, any_role)
            except VerifierError as error:
                return _answer(error)
            return await view(request, *args, **kwargs)

        return guarded

    return decorate


def _answer(error: VerifierError) -> JsonResponse:
    refusal = refusal_for(error)
    return JsonResponse(dict(refusal.body), status=refusal.status, headers=dict(refusal.headers))
