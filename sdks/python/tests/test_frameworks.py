"""The helpers keep the same promises, each in front of its real framework."""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

import django
import flask
import pytest
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from miniprogram_auth_verifier import AccessTokenClaims
from miniprogram_auth_verifier.django import bearer_auth as django_auth
from miniprogram_auth_verifier.fastapi import BearerAuth, answer_refusals
from miniprogram_auth_verifier.flask import bearer_auth as flask_auth
from support import World


class Answer:
    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body


Send = Callable[..., Answer]
ADMINS = ["admin"]


def behind_fastapi(world: World, **options: Any) -> Send:
    verifier = world.async_verifier(**options)
    app = FastAPI()
    answer_refusals(app)

    @app.get("/me")
    async def me(auth: Annotated[AccessTokenClaims, Depends(BearerAuth(verifier))]) -> dict[str, str]:
        return {"sub": auth.sub}

    @app.get("/admin")
    def admin(auth: Annotated[AccessTokenClaims, Depends(BearerAuth(verifier, any_role=ADMINS))]) -> dict[str, str]:
        return {"sub": auth.sub}

    client = TestClient(app, raise_server_exceptions=False)

    def send(path: str, authorization: str | None = None) -> Answer:
        response = client.get(path, headers={} if authorization is None else {"authorization": authorization})
        body = None if response.status_code == 500 else response.json()
        return Answer(response.status_code, dict(response.headers), body)

    return send


def flask_client(app: flask.Flask) -> Send:
    def send(path: str, authorization: str | None = None) -> Answer:
        headers = {} if authorization is None else {"Authorization": authorization}
        response = app.test_client().get(path, headers=headers)
        return Answer(response.status_code, dict(response.headers), response.json)

    return send


def behind_flask(world: World, **options: Any) -> Send:
    verifier = world.verifier(**options)
    app = flask.Flask(__name__)

    @app.get("/me")
    @flask_auth(verifier)
    def me() -> dict[str, str]:
        return {"sub": flask.g.auth.sub}

    @app.get("/admin")
    @flask_auth(verifier, any_role=ADMINS)
    def admin() -> dict[str, str]:
        return {"sub": flask.g.auth.sub}

    return flask_client(app)


def behind_async_flask(world: World, **options: Any) -> Send:
    verifier = world.async_verifier(**options)
    app = flask.Flask(__name__)

    @app.get("/me")
    @flask_auth(verifier)
    async def me() -> dict[str, str]:
        return {"sub": flask.g.auth.sub}

    @app.get("/admin")
    @flask_auth(verifier, any_role=ADMINS)
    async def admin() -> dict[str, str]:
        return {"sub": flask.g.auth.sub}

    return flask_client(app)


urlpatterns: list[Any] = []
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    SECRET_KEY="for tests",
    LOGGING_CONFIG=None,
)
django.setup()


def behind_django(world: World, **options: Any) -> Send:
    verifier = world.verifier(**options)

    @django_auth(verifier)
    def me(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": request.auth.sub})

    @django_auth(verifier, any_role=ADMINS)
    def admin(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": request.auth.sub})

    urlpatterns[:] = [path("me", me), path("admin", admin)]
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)

    def send(path: str, authorization: str | None = None) -> Answer:
        headers = {} if authorization is None else {"authorization": authorization}
        response = client.post(path, headers=headers)
        return Answer(response.status_code, response.headers, response.json() if response.status_code != 500 else None)

    return send


def behind_async_django(world: World, **options: Any) -> Send:
    import asyncio

    verifier = world.async_verifier(**options)

    @django_auth(verifier)
    async def me(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": request.auth.sub})

    @django_auth(verifier, any_role=ADMINS)
    async def admin(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": request.auth.sub})

    urlpatterns[:] = [path("me", me), path("admin", admin)]
    client = AsyncClient(raise_request_exception=False)

    def send(path: str, authorization: str | None = None) -> Answer:
        headers = {} if authorization is None else {"authorization": authorization}
        response = asyncio.run(client.get(path, headers=headers))
        return Answer(response.status_code, response.headers, response.json() if response.status_code != 500 else None)

    return send


Behind = Callable[..., Send]
FRAMEWORKS = [behind_fastapi, behind_flask, behind_async_flask, behind_django, behind_async_django]
every_framework = pytest.mark.parametrize("behind", FRAMEWORKS)


@every_framework
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_lets_the_route_see_its_claims(world: World, behind: Behind, scheme: str) -> None:
    answer = behind(world)("/me", f"{scheme} {world.gateway.token()}")
    assert (answer.status, answer.body) == (200, {"sub": "user-1"})


@every_framework
@pytest.mark.parametrize("value", [None, "Basic dXNlcjpwYXNz", "Bearer", "Bearer a b"])
def test_no_token_is_answered_401_with_a_challenge(world: World, behind: Behind, value: str | None) -> None:
    answer = behind(world)("/me", value)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token", error_description="token_missing"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body == {"code": "A0230", "msg": "登录已失效，请重新登录", "data": None}


@every_framework
def test_a_bad_token_is_answered_401_with_the_reason(world: World, behind: Behind) -> None:
    answer = behind(world)("/me", f"Bearer {world.gateway.token(exp=1)}")
    assert answer.status == 401
    assert 'error_description="token_expired"' in answer.headers["www-authenticate"]


@every_framework
def test_a_token_in_the_query_is_not_taken(world: World, behind: Behind) -> None:
    assert behind(world)(f"/me?access_token={world.gateway.token()}").status == 401


@every_framework
@pytest.mark.parametrize(
    ("roles", "status"), [(["admin", "editor"], 200), (["editor"], 403), ([], 403), (None, 403)], ids=str
)
def test_a_route_for_admins_is_for_admins(
    world: World, behind: Behind, roles: Collection[str] | None, status: int
) -> None:
    answer = behind(world)("/admin", f"Bearer {world.gateway.token(roles=roles)}")
    assert answer.status == status
    if status == 403:
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert answer.body == {"code": "A0312", "msg": "没有权限", "data": None}


@every_framework
def test_an_outage_is_answered_503_and_never_401_so_that_nobody_is_logged_out_by_it(
    world: World, behind: Behind
) -> None:
    world.gateway.down = True
    answer = behind(world)("/me", f"Bearer {world.gateway.token()}")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert "www-authenticate" not in answer.headers
    assert answer.body == {"code": "B0320", "msg": "服务暂时不可用，请稍后再试", "data": None}


@every_framework
def test_a_defect_in_the_verifier_lets_nobody_in(world: World, behind: Behind) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("a defect")

    send = behind(world, now=fail)
    assert send("/me", f"Bearer {world.gateway.token()}").status == 500


@pytest.mark.parametrize("guard", [flask_auth, django_auth])
def test_a_view_and_its_verifier_must_be_of_one_kind(world: World, guard: Callable[..., Any]) -> None:
    async def view() -> None: ...

    with pytest.raises(TypeError):
        guard(world.verifier())(view)
    with pytest.raises(TypeError):
        guard(world.async_verifier())(lambda: None)


def test_fastapi_describes_the_token_in_its_openapi_document(world: World) -> None:
    app = FastAPI()

    @app.get("/me", dependencies=[Depends(BearerAuth(world.async_verifier()))])
    def me() -> None: ...

    schemes = app.openapi()["components"]["securitySchemes"]
    assert schemes == {"AccessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def test_fastapi_answers_rightly_without_the_handler_too(world: World) -> None:
    app = FastAPI()

    @app.get("/me", dependencies=[Depends(BearerAuth(world.async_verifier()))])
    def me() -> None: ...

    response = TestClient(app).get("/me")
    assert (response.status_code, response.json()["detail"]["code"]) == (401, "A0230")
    assert response.headers["www-authenticate"].startswith("Bearer ")
