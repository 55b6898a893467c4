"""What a verify costs beside bare PyJWT, and what a list of a million sessions weighs: `python bench/measure.py`.

CPU of this process, the two in turn for every token, so that whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jwt

from miniprogram_auth_verifier import Verifier

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import AUDIENCE, LIST, FakeClock, FakeIssuer, reply

ROUNDS = 60
TOKENS = 100
SESSIONS = 1_000_000
CPU_GOAL = 1.15
MEMORY_GOAL = 1_000_000


def bare_pyjwt(gateway: FakeIssuer) -> Callable[[str], Any]:
    """The same checks of signature, issuer, audience and time, with a key at hand; nothing of sessions and types."""
    key = jwt.PyJWK(gateway.active.jwk).key
    alg = gateway.alg
    options: Any = {"require": ["exp", "iss", "aud", "sub", "iat", "jti"]}
    return lambda token: jwt.decode(
        token, key, algorithms=[alg], issuer=gateway.issuer, audience=AUDIENCE, options=options, leeway=5
    )


def cpu(work: Callable[[str], Any], tokens: Sequence[str]) -> float:
    """Microseconds for one token."""
    start = time.process_time()
    for token in tokens:
        work(token)
    return (time.process_time() - start) / len(tokens) * 1e6


def million_sessions(gateway: FakeIssuer, ended_share: float) -> None:
    ended = random.Random(1).sample(range(SESSIONS), int(SESSIONS * ended_share))
    statuses = bytearray(SESSIONS // 8)
    for index in ended:
        statuses[index >> 3] |= 1 << (index & 7)
    body = reply(gateway.status_list(statuses=bytes(statuses)))
    gateway.overrides[LIST] = lambda: body


def measure_cpu(alg: str) -> None:
    gateway = FakeIssuer(alg, clock=FakeClock(time.time()))
    million_sessions(gateway, 0)
    verifier = Verifier(gateway.issuer, AUDIENCE, transport=gateway)
    verifier.ready()
    # As the gateway writes them; every one is another, and none is seen by both sides' caches alone.
    tokens = [
        gateway.token(index * 7919 % SESSIONS, jti=f"01939{index:028x}", sub="0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
        for index in range(TOKENS)
    ]
    bare, ours = bare_pyjwt(gateway), verifier.verify
    cpu(bare, tokens), cpu(ours, tokens)
    pairs = []
    gc.disable()
    for number in range(ROUNDS):
        first, second = (bare, ours) if number % 2 else (ours, bare)
        one, other = cpu(first, tokens), cpu(second, tokens)
        pairs.append((one, other) if first is bare else (other, one))
    gc.enable()
    verifier.close()
    bare_us, ours_us = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(ours / bare for bare, ours in pairs)
    print(f"verify, {alg:5}   PyJWT {bare_us:6.1f} us   this {ours_us:6.1f} us   ratio {ratio:.2f} (goal {CPU_GOAL})")


def measure_memory() -> bool:
    gateway = FakeIssuer(clock=FakeClock(time.time()))
    held, peak = [], []
    for share in (0.0, 0.01, 0.5):
        million_sessions(gateway, share)
        gc.collect()
        tracemalloc.start()
        verifier = Verifier(gateway.issuer, AUDIENCE, transport=gateway)
        verifier.ready()
        gc.collect()
        before_merge, top = tracemalloc.get_traced_memory()
        # Polled once more, and so put together with what was known.
        tracked = verifier._core._lists._lists[gateway.list_uri]
        tracked.refresher.refresh().result(60)
        gc.collect()
        after_merge, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        verifier.close()
        held.append(max(before_merge, after_merge))
        peak.append(top)
        print(
            f"memory, {share:4.0%} ended   verifier with a list of {SESSIONS:,}: {held[-1]:,} bytes held"
            f" (goal {MEMORY_GOAL:,}), {peak[-1]:,} at its peak while fetching"
        )
    return max(held) <= MEMORY_GOAL


def main() -> int:
    print(
        f"Python {sys.version.split()[0]}, PyJWT {version('pyjwt')}, cryptography {version('cryptography')}; "
        f"median of {ROUNDS} rounds of {TOKENS} tokens, in turn"
    )
    # A busy machine must not fail a change: the ratios are printed for people, and bytes alone decide.
    for alg in ("ES256", "RS256", "EdDSA"):
        measure_cpu(alg)
    return 0 if measure_memory() else 1


if __name__ == "__main__":
    sys.exit(main())
