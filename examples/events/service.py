"""A service that keeps files of users and polls for events (RFC 8936): it deletes an erased user's files, then confirms.

Environment: ISSUER, AUDIENCE, GATEWAY (its internal listener), TOKEN (of the scope events@TARGET), TARGET, DATA (a folder).
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from miniprogram_auth_verifier import SecurityEvent, Verifier, VerifierError

PURGED = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
GATEWAY, TOKEN, TARGET = os.environ["GATEWAY"], os.environ["TOKEN"], os.environ["TARGET"]
DATA = Path(os.environ["DATA"])

verifier = Verifier(os.environ["ISSUER"], [os.environ["AUDIENCE"]])


def post(path: str, body: dict) -> dict:
    request = urllib.request.Request(
        GATEWAY + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=40) as reply:
        return json.loads(reply.read(1 << 22))


def hear(event: SecurityEvent) -> None:
    """Does the work of an event. It may come twice, so doing it twice must do no harm."""
    purged = event.events.get(PURGED)
    if purged is None or event.user_id is None or not re.fullmatch(r"[0-9a-f-]{36}", event.user_id):
        return
    (DATA / event.user_id).unlink(missing_ok=True)
    # Acknowledging the poll says "taken"; this says "gone".
    try:
        post(f"/internal/erasures/{purged['erasure_id']}/done", {})
    except urllib.error.HTTPError as error:
        # 404: there is nothing for us to confirm.
        if error.code != 404:
            raise


def run() -> None:
    ack: list[str] = []
    errors: dict[str, dict[str, str]] = {}
    while True:
        try:
            sets = post(f"/internal/events/{TARGET}/poll", {"ack": ack, "setErrs": errors})["sets"]
            ack, errors = [], {}
            for jti, token in sets.items():
                try:
                    hear(verifier.verify_event(token))
                    ack.append(jti)
                except VerifierError as error:
                    if error.status == 503:
                        raise
                    errors[jti] = {"err": "invalid_request", "description": error.code}
        except (OSError, VerifierError) as error:
            # The gateway is away: what was not acknowledged comes again.
            print(error, file=sys.stderr, flush=True)
            time.sleep(1)


if __name__ == "__main__":
    DATA.mkdir(parents=True, exist_ok=True)
    print("polling", file=sys.stderr, flush=True)
    run()
