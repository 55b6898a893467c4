"""The real HTTP client against servers that misbehave: it keeps its limits of time and size, and goes nowhere else."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from miniprogram_auth_verifier import HttpTransport, Reply, Verifier, VerifierError
from support import AUDIENCE

Handler = Callable[[socket.socket], None]


@contextmanager
def serving(handler: Handler, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that hands each connection to the handler; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError):
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                handler(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answering(raw: bytes) -> Handler:
    def handler(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(raw)

    return handler


def dripping(start: bytes) -> Handler:
    def handler(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(start)
        while True:
            connection.sendall(b"a")
            time.sleep(0.05)

    return handler


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def get(
    port: int, *, scheme: str = "http", host: str = "127.0.0.1", timeout: float = 5, max_bytes: int = 1000
) -> Reply:
    url = f"{scheme}://{host}:{port}/x?y=1"
    return HttpTransport()(url, {"accept": "application/json"}, max_bytes=max_bytes, timeout=timeout)


def test_it_asks_for_what_it_was_told_and_reads_the_reply() -> None:
    asked: list[bytes] = []

    def handler(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 2\r\n\r\n{}')

    with serving(handler) as port:
        reply = get(port)
    assert (reply.status, reply.headers["etag"], reply.body) == (200, '"1"', b"{}")
    lines = asked[0].decode().split("\r\n")
    assert lines[0] == "GET /x?y=1 HTTP/1.1"
    assert {f"host: 127.0.0.1:{port}", "accept: application/json", "accept-encoding: gzip"} <= {
        x.lower() for x in lines
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"a" * 2000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 2000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"a" * 2000 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(2000)),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(64 * 1024 * 1024)),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}")[:-4],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nbroken off",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\nbroken off",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n{}",
        b"nonsense",
        b"",
    ],
    ids=range(13),
)
def test_a_reply_too_long_or_broken_is_an_error(raw: bytes) -> None:
    with serving(answering(raw)) as port, pytest.raises(Exception):  # noqa: B017
        get(port)


def test_a_reply_of_the_greatest_length_is_read_whole() -> None:
    body = b"a" * 1000
    for raw in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + body + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(body),
    ):
        with serving(answering(raw)) as port:
            assert get(port).body == body


@pytest.mark.parametrize(
    "handler",
    [
        silent,
        dripping(b""),
        dripping(b"HTTP/1.1 200 OK\r\nX: "),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=range(6),
)
def test_one_limit_holds_for_the_whole_of_a_fetch_however_it_is_drawn_out(handler: Handler) -> None:
    with serving(handler) as port:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            get(port, timeout=0.4)
        assert 0.3 < time.monotonic() - started < 3


def test_a_redirect_is_not_followed_wherever_it_leads() -> None:
    followed: list[bytes] = []

    def elsewhere(connection: socket.socket) -> None:
        followed.append(connection.recv(65536))

    with serving(elsewhere) as target:
        raw = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{target}/\r\nContent-Length: 0\r\n\r\n".encode()
        with serving(answering(raw)) as port:
            verifier = Verifier(f"http://127.0.0.1:{port}", AUDIENCE)
            with pytest.raises(VerifierError) as caught:
                verifier.ready()
            verifier.close()
    assert caught.value.code == "keys_unavailable"
    assert followed == []


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as port:
        assert get(port).status == 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(  # noqa: S603
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",  # noqa: S607
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


def test_over_tls_it_trusts_the_authority_it_was_given_and_no_other(certificate: tuple[Path, Path]) -> None:
    key, pem = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key)
    trusting = ssl.create_default_context(cafile=str(pem))
    with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), server) as port:
        url = f"https://localhost:{port}/"
        assert HttpTransport(trusting)(url, {}, max_bytes=10, timeout=5).body == b"{}"
        with pytest.raises(ssl.SSLCertVerificationError):
            HttpTransport()(url, {}, max_bytes=10, timeout=5)
        with pytest.raises(ssl.SSLCertVerificationError):  # The name does not fit.
            HttpTransport(trusting)(f"https://127.0.0.1:{port}/", {}, max_bytes=10, timeout=5)


def test_over_tls_the_limit_of_time_holds_too(certificate: tuple[Path, Path]) -> None:
    key, pem = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key)
    trusting = ssl.create_default_context(cafile=str(pem))
    with serving(silent) as port, pytest.raises(TimeoutError):  # It never shakes hands.
        HttpTransport(trusting)(f"https://localhost:{port}/", {}, max_bytes=10, timeout=0.3)
    with serving(dripping(b"HTTP/1.1 200 OK\r\nX: "), server) as port, pytest.raises(TimeoutError):
        HttpTransport(trusting)(f"https://localhost:{port}/", {}, max_bytes=10, timeout=0.4)


def test_an_address_that_refuses_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as port:
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, **_: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ],
        )
        assert get(port, host="auth.example.com").status == 200
