"""A service on Python's own HTTP server; README.md shows the same with FastAPI."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from auth import AuthError, current_user


class Orders(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/orders":
            return self._answer(404, {})
        try:
            user_id = current_user(self.headers.get("Authorization"))
        except AuthError as error:
            return self._answer(error.status, {}, error.headers)
        return self._answer(200, {"user_id": user_id})

    def _answer(self, status, body, headers=None):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Silent: the default would log every request."""


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Orders).serve_forever()
