"""The background work within a process: it ends with the program, lives through a fork, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from miniprogram_auth_verifier import AsyncVerifier, Reply, Verifier, VerifierError
from support import AUDIENCE, DISCOVERY, LIST, FakeIssuer, World, reply, until


class LiveIssuer(FakeIssuer):
    """The test's issuer behind real HTTP, on the real clock."""

    def __init__(self) -> None:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gateway.requests.append(self.path)
                answer = gateway.answer(self.path, self.headers.get("if-none-match"))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *_args: object) -> None: ...

        self.server = Server(("127.0.0.1", 0), Handler)
        super().__init__(issuer=f"http://127.0.0.1:{self.server.server_address[1]}")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def epoch(self) -> int:
        return int(time.time())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def gateway() -> Iterator[LiveIssuer]:
    made = LiveIssuer()
    made.overrides[LIST] = lambda: reply(made.status_list(ttl=1))
    yield made
    made.close()


def refused_at_last(verifier: Verifier, token: str) -> str:
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        try:
            verifier.verify(token)
        except VerifierError as error:
            return error.code
        time.sleep(0.02)
    raise TimeoutError


def test_over_real_http_a_session_that_ends_is_refused_and_with_the_gateway_gone_all_stays_as_it_was(
    gateway: LiveIssuer,
) -> None:
    with Verifier(gateway.issuer, AUDIENCE, on_failure=lambda _: None) as verifier:
        verifier.ready()
        staying, ending = gateway.token(1), gateway.token(2)
        verifier.verify(ending)
        gateway.ended.add(2)
        assert refused_at_last(verifier, ending) == "session_ended"
        gateway.close()
        until(lambda: verifier.state().status_lists[0].failing)
        assert refused_at_last(verifier, ending) == "session_ended"
        verifier.verify(staying)


def run_program(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_program_with_nothing_else_to_do_ends_though_nobody_closed_the_verifier(gateway: LiveIssuer) -> None:
    program = """
        import sys
        from miniprogram_auth_verifier import Verifier
        verifier = Verifier(sys.argv[1], "a")
        verifier.ready()
        print(verifier.state().keys.kids)
    """
    started = time.monotonic()
    ran = run_program(program, gateway.issuer)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "('key-1',)\n", "")
    assert time.monotonic() - started < 10


def test_a_program_ends_while_a_fetch_hangs(gateway: LiveIssuer) -> None:
    program = """
        import sys, threading
        from miniprogram_auth_verifier import Verifier, VerifierError
        hanging = threading.Event()
        def transport(*_, **__):
            hanging.set()
            threading.Event().wait(60)
        verifier = Verifier(sys.argv[1], "a", wait_seconds=0.1, transport=transport)
        try:
            verifier.verify(sys.argv[2])
        except VerifierError as error:
            print(error.code)
        hanging.wait()
    """
    started = time.monotonic()
    ran = run_program(program, gateway.issuer, gateway.token())
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "keys_unavailable\n", "")
    assert time.monotonic() - started < 10


def background_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("auth-verifier")]


@pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])
def test_a_verifier_that_is_closed_or_forgotten_leaves_no_thread_behind(
    gateway: LiveIssuer, kind: type[Verifier] | type[AsyncVerifier]
) -> None:
    before = len(background_threads())
    for closes in (True, False):
        verifier = kind(gateway.issuer, AUDIENCE)
        ready = verifier.ready()
        if ready is not None:
            asyncio.run(ready)
        assert len(background_threads()) >= before + 2
        if closes:
            verifier.close()
        del verifier, ready
        gc.collect()
        until(lambda: len(background_threads()) == before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_hears_of_ended_sessions_too(gateway: LiveIssuer) -> None:
    verifier = Verifier(gateway.issuer, AUDIENCE)
    verifier.ready()
    token = gateway.token(3)
    verifier.verify(token)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            verifier.verify(token)
            code = 0 if refused_at_last(verifier, token) == "session_ended" else 2
        finally:
            os._exit(code)
    time.sleep(0.3)
    gateway.ended.add(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert refused_at_last(verifier, token) == "session_ended"
    verifier.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forking_in_the_middle_of_a_fetch_never_locks_the_child(world: World) -> None:
    a_librarys_lock = threading.Lock()  # As OpenSSL and cryptography have them, held here for much longer.

    def transport(url: str, headers: Mapping[str, str], *, max_bytes: int, timeout: float) -> Reply:
        with a_librarys_lock:
            time.sleep(0.002)
            return world.gateway(url, headers, max_bytes=max_bytes, timeout=timeout)

    verifier = world.start(transport=transport)
    refreshers = [verifier._core._keys._refresher, *(one.refresher for one in verifier._core._lists._lists.values())]
    stop = threading.Event()

    def fetch() -> None:
        for flight in [refresher.refresh() for refresher in refreshers]:
            flight.result(20)

    def fetch_all_the_time() -> None:
        while not stop.is_set():
            fetch()

    fetching = threading.Thread(target=fetch_all_the_time)
    fetching.start()
    codes = []
    for _ in range(20):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(10)
                fetch()
                code = 0
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        if codes[-1] != 0:
            break
    stop.set()
    fetching.join()
    assert set(codes) == {0}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fetch_that_hangs_does_not_hold_a_fork_up_for_long(world: World) -> None:
    release = threading.Event()

    def hang() -> Reply:
        release.wait(30)
        raise TimeoutError

    world.gateway.overrides[DISCOVERY] = hang
    verifier = world.verifier(wait_seconds=0.05)
    with pytest.raises(VerifierError):
        verifier.verify(world.gateway.token())
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert time.monotonic() - started < 3
    release.set()


SERVICE = """
import json, os
from miniprogram_auth_verifier import Verifier, VerifierError

verifier = Verifier(os.environ["ISSUER"], os.environ["AUDIENCE"])
verifier.ready()

def app(environ, start_response):
    try:
        body, status = {"sub": verifier.verify(environ.get("HTTP_AUTHORIZATION", "")[7:]).sub}, "200 OK"
    except VerifierError as error:
        body, status = {"reason": error.code}, "401 Unauthorized"
    start_response(status, [("content-type", "application/json"), ("x-worker", str(os.getpid()))])
    return [json.dumps(body).encode()]
"""


def ask(port: int, token: str) -> tuple[str, str]:
    """The answering worker and what it says."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.headers["x-worker"], json.load(response)["sub"]
    except urllib.error.HTTPError as error:
        with error:
            return error.headers["x-worker"], json.load(error)["reason"]


@pytest.mark.parametrize("preload", [["--preload"], []])
def test_every_worker_of_gunicorn_refuses_an_ended_session(
    gateway: LiveIssuer, tmp_path: Path, preload: list[str]
) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-w",
        "3",
        "-b",
        f"127.0.0.1:{port}",
        "--no-control-socket",
        *preload,
        "service:app",
    ]
    environment = {**os.environ, "ISSUER": gateway.issuer, "AUDIENCE": AUDIENCE}
    with subprocess.Popen(  # noqa: S603
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as server:
        try:
            token = gateway.token(5)
            seen: dict[str, str] = {}

            def all_say(expected: str) -> bool:
                try:
                    worker, said = ask(port, token)
                except OSError:
                    assert server.poll() is None
                    return False
                seen[worker] = said
                return len(seen) == 3 and set(seen.values()) == {expected}

            until(lambda: all_say("user-1"), 30)
            gateway.ended.add(5)
            until(lambda: all_say("session_ended"), 30)
        finally:
            server.terminate()
            server.communicate(timeout=20)
