"""Plays sdks/vectors to a verifier: a gateway that answers as a file says, and the steps of a script in faked time."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from miniprogram_auth_verifier import AsyncVerifier, Reply, Verifier, VerifierError
from support import backgrounds

FOLDER = Path(__file__).parents[2] / "vectors"
VECTOR_FILES = ("good.json", "hostile.json", "odd.json", "lists.json", "events.json")
FETCH_TIMEOUT = 5.0
# Real seconds, for a gateway that never answers: the scripts leave room for the 2 s that it is by default.
WAIT = 0.1

Kind = type[Verifier] | type[AsyncVerifier]
Verdict = dict[str, Any]


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return content


def only(value: Mapping[str, Any], *known: str) -> None:
    """A member that this player does not know would be passed over, and what it asks for with it."""
    unknown = set(value) - set(known)
    if unknown:
        raise ValueError(f"what is {sorted(unknown)}?")


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    only(
        config,
        "issuer",
        "audience",
        "algorithms",
        "clockToleranceSeconds",
        "maxStaleSeconds",
        "onStaleStatus",
        "onMissingStatus",
    )
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in config.items()}


class Time:
    """A process's clock, which may be set, and elapsed time, which only goes on."""

    def __init__(self, start: float) -> None:
        self._start = start
        self.elapsed = 0.0
        self.set_by = 0.0

    def now(self) -> float:
        return self._start + self.elapsed + self.set_by

    def monotonic(self) -> float:
        return self.elapsed


class VectorGateway:
    def __init__(self, issuer: str, replies: Mapping[str, Any], passing: Time) -> None:
        parts = urlsplit(issuer)
        self._origin = (parts.scheme, parts.netloc)
        self._time = passing
        self.replies = dict(replies)
        self.requests: list[str] = []
        self.foreign: list[str] = []
        self._lock = threading.Lock()
        self._hanging_until: list[float] = []
        self.closed = False

    def asked(self, path: str) -> int:
        return len(self.requests) if path == "*" else self.requests.count(path)

    def __call__(self, url: str, headers: Mapping[str, str], *, max_bytes: int, timeout: float) -> Reply:
        parts = urlsplit(url)
        with self._lock:
            self.requests.append(parts.path)
        if (parts.scheme, parts.netloc) != self._origin:
            self.foreign.append(url)
            raise ConnectionRefusedError("must never be fetched")
        reply = self.replies.get("*") or self.replies.get(parts.path) or {"status": 404}
        only(reply, "status", "headers", "body", "pad", "down", "hang")
        if reply.get("down"):
            raise ConnectionRefusedError("down")
        if reply.get("hang"):
            self._hang(timeout)
        answered: dict[str, str] = reply.get("headers", {})
        if "etag" in answered and answered["etag"] == headers.get("if-none-match"):
            return Reply(304, answered, b"")
        body = (reply.get("body", "") + " " * reply.get("pad", 0)).encode()
        return Reply(reply.get("status", 200), answered, body)

    def _hang(self, timeout: float) -> None:
        until = self._time.elapsed + timeout
        with self._lock:
            self._hanging_until.append(until)
        while self._time.elapsed < until and not self.closed:
            time.sleep(0.001)
        with self._lock:
            self._hanging_until.remove(until)
        raise TimeoutError("nothing was answered")

    def hanging(self) -> list[float]:
        """Until when fetches hang, of those that still do."""
        with self._lock:
            return [until for until in self._hanging_until if until > self._time.elapsed]


class Player:
    """One verifier before one gateway, in a time of its own."""

    def __init__(self, kind: Kind, shared: Mapping[str, Any], one: Mapping[str, Any]) -> None:
        self.time = Time(shared["now"])
        config = {**shared["config"], **one.get("config", {})}
        replies = {**shared["gateway"], **one.get("gateway", {})}
        self.gateway = VectorGateway(config["issuer"], replies, self.time)
        self.verifier = kind(
            **options(config),
            transport=self.gateway,
            now=self.time.now,
            monotonic=self.time.monotonic,
            wait_seconds=WAIT,
            fetch_timeout_seconds=FETCH_TIMEOUT,
            on_failure=lambda failure: None,
        )

    def close(self) -> None:
        self.gateway.closed = True
        self.verifier.close()

    def ready(self) -> str:
        verdict = self._call(self.verifier.ready)
        return "ok" if verdict["ok"] else str(verdict["reason"])

    def verdict(self, call: str, token: str) -> Verdict:
        checks: dict[str, Callable[[str], Any]] = {
            "verify": self.verifier.verify,
            "verifyEvent": self.verifier.verify_event,
        }
        return self._call(lambda: checks[call](token))

    def _call(self, function: Callable[[], Any]) -> Verdict:
        try:
            result = function()
            if asyncio.iscoroutine(result):
                result = asyncio.run(result)
        except VerifierError as error:
            return {"ok": False, "reason": error.code}
        return {"ok": True, "claims": {} if result is None else dict(result.raw)}

    def all_at_once(self, parallel: int, call: str, token: str) -> list[Verdict]:
        if parallel == 1:
            return [self.verdict(call, token)]
        if isinstance(self.verifier, AsyncVerifier):
            return asyncio.run(self._all_on_one_loop(parallel, self.verifier, call, token))
        with ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(lambda _: self.verdict(call, token), range(parallel)))

    async def _all_on_one_loop(self, parallel: int, verifier: AsyncVerifier, call: str, token: str) -> list[Verdict]:
        async def one() -> Verdict:
            try:
                result = await (verifier.verify if call == "verify" else verifier.verify_event)(token)
            except VerifierError as error:
                return {"ok": False, "reason": error.code}
            return {"ok": True, "claims": dict(result.raw)}

        return list(await asyncio.gather(*(one() for _ in range(parallel))))


def differs(verdict: Verdict, expected: Mapping[str, Any]) -> bool:
    only(expected, "ok", "claims", "reason")
    if not expected["ok"]:
        return verdict != expected
    claims = verdict.get("claims", {})
    return not verdict["ok"] or any(
        name not in claims or not same(claims[name], value) for name, value in expected["claims"].items()
    )


def same(value: Any, expected: Any) -> bool:
    """As JSON compares: to Python `True` is 1."""
    return json.dumps(value, sort_keys=True) == json.dumps(expected, sort_keys=True)


def play_vector(kind: Kind, shared: Mapping[str, Any], vector: Mapping[str, Any]) -> tuple[Verdict, list[str]]:
    only(shared, "about", "now", "config", "gateway", "vectors")
    only(vector, "id", "why", "call", "config", "gateway", "token", "expect")
    player = Player(kind, shared, vector)
    try:
        done = player.ready, lambda: player.verdict(vector["call"], vector["token"])
        _, verdict = (held(player, step) for step in done)
        return verdict, player.gateway.foreign
    finally:
        player.close()


def play_script(kind: Kind, shared: Mapping[str, Any], script: Mapping[str, Any]) -> str | None:
    """The first step that did not come out as expected."""
    only(shared, "about", "now", "config", "gateway", "scripts")
    only(script, "id", "why", "config", "gateway", "steps")
    player = Player(kind, shared, script)
    try:
        for step in script["steps"]:
            pass_until(player, step["at"])
            wrong = play_step(player, step)
            if wrong is not None:
                return f"at {step['at']} s: {wrong}"
        return f"fetched {player.gateway.foreign}" if player.gateway.foreign else None
    finally:
        player.close()


def play_step(player: Player, step: Mapping[str, Any]) -> str | None:
    if "gateway" in step:
        only(step, "at", "gateway")
        player.gateway.replies.update(step["gateway"])
    elif "clock" in step:
        only(step, "at", "clock")
        player.time.set_by += step["clock"]
    elif "ready" in step:
        only(step, "at", "ready")
        became = held(player, player.ready)
        return None if became == step["ready"] else f"ready() gave {became}, not {step['ready']}"
    elif "requests" in step:
        only(step, "at", "requests", "exactly", "atMost", "atLeast")
        count = player.gateway.asked(step["requests"])
        fits = step.get("atLeast", 0) <= count <= step.get("atMost", count) and count == step.get("exactly", count)
        return None if fits else f"{step['requests']} was asked {count} times: {step}"
    else:
        call = "verify" if "verify" in step else "verifyEvent"
        only(step, "at", call, "expect", "times", "parallel")
        for _ in range(step.get("times", 1)):
            for verdict in held(player, lambda: player.all_at_once(step.get("parallel", 1), call, step[call])):
                if differs(verdict, step["expect"]):
                    return f"{call} gave {verdict} instead of {step['expect']}"
    return None


def held(player: Player, work: Callable[[], Any]) -> Any:
    """Does the work. Where it hangs on a gateway that never answers, time passes meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        while not doing.done():
            time.sleep(0.0005)
            if player.gateway.hanging():
                time.sleep(WAIT)
                if not doing.done() and player.gateway.hanging():
                    player.time.elapsed += 0.5
                    wake(player)
        return doing.result()


def pass_until(player: Player, at: float) -> None:
    """From one thing that is due to the next; each is over, or hangs, before time goes on."""
    settle(player)
    while player.time.elapsed < at:
        due = [entry[0] for background in backgrounds(player.verifier) for entry in background._queue]
        coming = [at, *player.gateway.hanging(), *(one for one in due if one > player.time.elapsed)]
        player.time.elapsed = min(coming)
        wake(player)
        settle(player)


def wake(player: Player) -> None:
    for background in backgrounds(player.verifier):
        with background._changed:
            background._changed.notify_all()


def settle(player: Player) -> None:
    """Waits until nothing that is due is left, but what hangs."""
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        busy = 0
        for background in backgrounds(player.verifier):
            with background._changed:
                due = bool(background._queue) and background._queue[0][0] <= background._monotonic()
                idle_threads = background._waiting
                busy += background._threads - idle_threads
                busy += due and (idle_threads > 0 or background._threads < background._max_threads)
        if busy <= len(player.gateway.hanging()):
            return
        time.sleep(0.0002)
    raise TimeoutError("what was due did not come to an end")
