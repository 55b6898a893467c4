"""A service that checks tokens with Authlib's resource protector for Flask as it comes (RFC 9068), its keys fetched as
Authlib's documentation has it, plus an age limit: without one a rotated key would never be seen."""

import logging
import os
import time

import requests
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask, jsonify, request
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ISSUER = os.environ["ISSUER"]
CACHE_SECONDS = float(os.environ.get("CACHE_SECONDS", "300"))


class Validator(JWTBearerTokenValidator):
    keys = None
    asked_at = float("-inf")

    def get_jwks(self):
        if time.monotonic() - self.asked_at >= CACHE_SECONDS:
            Validator.asked_at = time.monotonic()
            try:
                jwks = requests.get(f"{ISSUER}/.well-known/jwks.json", timeout=5).json()
                Validator.keys = KeySet.import_key_set(jwks)
            except (requests.RequestException, ValueError) as error:
                logging.warning("the JWKS cannot be fetched: %s", error)  # The old one goes on.
        if self.keys is None:
            raise ConnectionError("no keys")
        return self.keys


app = Flask(__name__)
protect = ResourceProtector()
protect.register_token_validator(Validator(ISSUER, os.environ["AUDIENCE"]))


@app.get("/me")
def me():
    if "Authorization" not in request.headers:
        return jsonify(reason="token_missing"), 401
    try:
        return jsonify(sub=protect.acquire_token()["sub"])
    except ConnectionError as error:
        return jsonify(reason=str(error)), 503
    except (OAuth2Error, JoseError, ValueError) as error:
        return jsonify(reason=f"{type(error).__name__}: {error}"), 401


logging.getLogger("werkzeug").setLevel(logging.ERROR)
app.run("127.0.0.1", int(os.environ["PORT"]), threaded=True)
