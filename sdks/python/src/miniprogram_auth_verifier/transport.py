"""One bounded GET over the standard library's HTTP client."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from .source import Reply

_PORTS = {"http": 80, "https": 443}


class HttpTransport:
    """The standard library's HTTP client with what it lacks: a limit for the whole of a fetch, and for its size.

    It uses no proxy and no `.netrc`, and follows no redirect. `ssl_context` is for a private authority or mutual TLS.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context

    def __call__(self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout: float) -> Reply:
        ends_at = time.monotonic() + timeout
        scheme, netloc, host, port, target = _split(url)
        sock = _connect(host, port, ends_at)
        # A socket's own limit starts anew with every byte that drips in; this alarm does not. The twin is the same
        # connection by another descriptor, since wrapping in TLS takes the first one away.
        twin = sock.dup()
        expired = threading.Event()
        alarm = threading.Timer(max(0.0, ends_at - time.monotonic()), _cut, [twin, expired])
        alarm.daemon = True
        alarm.start()
        try:
            if scheme == "https":
                sock = self._context().wrap_socket(sock, server_hostname=host)
            reply = _exchange(sock, host, target, {"host": netloc, **headers}, max_bytes)
        except Exception as error:
            if expired.is_set():
                raise TimeoutError(f"{url} did not answer within {timeout} seconds") from error
            raise
        finally:
            alarm.cancel()
            sock.close()
            twin.close()
        if expired.is_set():
            raise TimeoutError(f"{url} did not answer within {timeout} seconds")
        return reply

    def _context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context


def _split(url: str) -> tuple[str, str, str, int, str]:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.netloc, parts.hostname or "", parts.port or _PORTS[parts.scheme], target


def _connect(host: str, port: int, ends_at: float) -> socket.socket:
    """Tries the host's addresses in turn within one limit. Resolving its name is the system's, and has its limits."""
    failure: OSError = TimeoutError(f"{host} could not be reached in time")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        remaining = ends_at - time.monotonic()
        if remaining <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(remaining)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _cut(twin: socket.socket, expired: threading.Event) -> None:
    expired.set()
    with suppress(OSError):  # The other side was faster.
        twin.shutdown(socket.SHUT_RDWR)


def _exchange(sock: socket.socket, host: str, target: str, headers: Mapping[str, str], max_bytes: int) -> Reply:
    connection = http.client.HTTPConnection(host)
    connection.sock = sock  # Connected, and in TLS where the URL says so.
    connection.request("GET", target, headers={"accept-encoding": "gzip", "connection": "close", **headers})
    with connection.getresponse() as response:
        body = b"" if response.status != 200 else _read(response, max_bytes)
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def _read(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Reads a body of at most `max_bytes`, counted after gzip too, so that a small reply cannot fill the memory."""
    body = response.read(max_bytes + 1)
    if len(body) <= max_bytes and response.length:
        raise ValueError("the reply broke off")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip" and len(body) <= max_bytes:
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        body = unpacker.decompress(body, max_bytes + 1)
        if len(body) <= max_bytes and not unpacker.eof:
            raise ValueError("the reply's gzip broke off")
    elif encoding not in ("identity", "gzip"):
        raise ValueError("the reply has a content-encoding that was not asked for")
    if len(body) > max_bytes:
        raise ValueError(f"the reply has more than {max_bytes} bytes")
    return body
