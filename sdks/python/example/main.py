"""A service that knows its users by the gateway's tokens: `GET /me` on Python's own HTTP server.

Environment: ISSUER, AUDIENCE, PORT; BASE_URL where the gateway is reached by another address than its issuer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from miniprogram_auth_verifier import Verifier, VerifierError
from miniprogram_auth_verifier.bearer import bearer_token, refusal_for

verifier = Verifier(
    os.environ["ISSUER"], os.environ["AUDIENCE"].split(","), base_url=os.environ.get("BASE_URL") or None
)


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path != "/me":
            return self._answer(404, {"reason": "no_such_path"})
        try:
            claims = verifier.verify(bearer_token(self.headers.get("authorization")))
        except VerifierError as error:
            # 401 or 403; 503 for an outage, which must not log anybody out.
            return self._answer(error.status, {"reason": error.code}, dict(refusal_for(error).headers))
        return self._answer(200, {"sub": claims.sub})

    def _answer(self, status: int, body: dict[str, str], headers: dict[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the default would log every request."""


class Server(ThreadingHTTPServer):
    request_queue_size = 1024


def main() -> None:
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Service)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on {server.server_address[1]}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
