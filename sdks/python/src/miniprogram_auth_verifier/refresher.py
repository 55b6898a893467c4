"""Keeps remote documents warm on daemon threads: one fetch at a time for each, again when due, soon after a failure."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from heapq import heappop, heappush
from math import inf
from typing import TypeVar

Flight = Future[None]
"""A fetch under way, shared by all who wait for it. It never fails: a failure is reported and tried again."""

_Result = TypeVar("_Result")

LONGEST_RETRY_SECONDS = 30


def run_in_thread(steps: Generator[Flight, None, _Result], seconds: float | None) -> _Result:
    """Runs what yields the fetches it has to wait for, each at most so long; what came of them it looks up itself."""
    try:
        while True:
            wait_for([next(steps)], timeout=seconds)
    except StopIteration as end:
        result: _Result = end.value
        return result


def _new_flight() -> Flight:
    flight: Flight = Future()
    flight.set_running_or_notify_cancel()  # So that one who stops waiting cannot cancel it for the others.
    return flight


def _land(flight: Flight | None) -> None:
    if flight is None:
        return
    with suppress(InvalidStateError):  # The verifier was closed meanwhile.
        flight.set_result(None)


class Background:
    """The threads on which documents are fetched.

    The first fetch starts the first thread; another is added only while all are busy, so that a document that hangs
    does not hold another up. They are daemons: a program with nothing else to do ends.
    A forked child (gunicorn, Celery, `multiprocessing`) inherits no thread, so it starts its own at once.
    """

    def __init__(self, name: str, max_threads: int, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._max_threads = max_threads
        self._monotonic = monotonic
        self._closed = False
        self._active: set[Refresher] = set()
        self._start_afresh()
        _living.add(self)

    def _start_afresh(self) -> None:
        # Re-entrant, since a garbage collection inside a locked section may call `close`.
        self._changed = threading.Condition(threading.RLock())
        self._queue: list[tuple[float, int, Refresher]] = []
        self._pushes = 0
        self._threads = 0
        self._waiting = 0

    def close(self) -> None:
        """Starts no further fetch and lets go of everyone who waits for one."""
        with self._changed:
            self._closed = True
            flights = [refresher.flight for refresher in self._active]
            self._active.clear()
            self._queue.clear()
            self._changed.notify_all()
        for flight in flights:
            _land(flight)

    @property
    def closed(self) -> bool:
        return self._closed

    def refresh(self, refresher: Refresher) -> Flight:
        """Has this refresher's attempt made now, or joins the one under way."""
        with self._changed:
            if refresher.flight is None:
                flight = _new_flight()
                if self._closed:
                    _land(flight)
                    return flight
                refresher.flight = flight
                self._push(refresher, 0)
            return refresher.flight

    def settle(self, refresher: Refresher, needed: Callable[[], bool]) -> Flight | None:
        with self._changed:
            # Asked again now that no fetch can end unnoticed: one may have ended since the caller looked.
            return self.refresh(refresher) if needed() and not refresher.failing else None

    def settle_sparingly(self, refresher: Refresher, needed: Callable[[], bool], interval: float) -> Flight | None:
        with self._changed:
            now = self._monotonic()
            if now - refresher.spared_at >= interval:
                refresher.spared_at = now
                refresher.sparing = self.settle(refresher, needed)
            return refresher.sparing

    def _push(self, refresher: Refresher, seconds: float) -> None:
        self._pushes += 1
        refresher.ticket = self._pushes
        self._active.add(refresher)
        heappush(self._queue, (self._monotonic() + seconds, self._pushes, refresher))
        if self._waiting == 0:
            self._add_thread()
        else:
            self._changed.notify()

    def _add_thread(self) -> None:
        if self._threads < self._max_threads:
            self._threads += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                refresher = self._next_due()
                if refresher is None:
                    self._threads -= 1
                    return
                if self._queue and self._waiting == 0:
                    self._add_thread()
            with _forks:
                seconds = refresher.attempt()
            with self._changed:
                flight, refresher.flight = refresher.flight, None
                if seconds is None or self._closed:
                    self._active.discard(refresher)
                else:
                    self._push(refresher, seconds)
            _land(flight)
            del refresher, flight  # A thread that waits keeps nothing alive.

    def _next_due(self) -> Refresher | None:
        while not self._closed:
            seconds = self._queue[0][0] - self._monotonic() if self._queue else None
            if seconds is None or seconds > 0:
                self._waiting += 1
                self._changed.wait(seconds)
                self._waiting -= 1
                continue
            _, ticket, refresher = heappop(self._queue)
            if refresher.ticket == ticket:  # Otherwise it was asked for sooner than this entry says.
                refresher.flight = refresher.flight or _new_flight()
                return refresher
        return None

    def after_fork_in_child(self) -> None:
        # What the parent held is kept; what it was fetching is fetched anew, by a thread and under a lock of our own.
        known, self._active = self._active, set()
        self._start_afresh()
        with self._changed:
            for refresher in known:
                refresher.flight = None
                self._push(refresher, 0)


class _Forks:
    """Keeps forks apart from fetches.

    A child inherits every lock that another thread holds at that moment, and nobody who would release it: OpenSSL's and
    `cryptography`'s too. So a fork waits for the fetches under way, which take milliseconds. One that takes longer is
    waiting for the network, and holds no lock meanwhile.
    """

    LONGEST_WAIT_SECONDS = 1

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._fetches = 0
        self._forks = 0

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._forks == 0)
            self._fetches += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._fetches -= 1
            self._changed.notify_all()

    def before(self) -> None:
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: self._fetches == 0, self.LONGEST_WAIT_SECONDS)

    def after_in_parent(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def after_in_child(self) -> None:
        self.__init__()  # type: ignore[misc]
        for background in list(_living):
            background.after_fork_in_child()


_living: weakref.WeakSet[Background] = weakref.WeakSet()
_forks = _Forks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_forks.before, after_in_parent=_forks.after_in_parent, after_in_child=_forks.after_in_child
    )


class Refresher:
    """One remote document: `load` does the work and says in how many seconds it is due again, or None when never."""

    def __init__(
        self, background: Background, load: Callable[[], float | None], on_failure: Callable[[Exception], None]
    ) -> None:
        self._background = background
        self._load = load
        self._on_failure = on_failure
        self._failures = 0
        self._last_error: Exception | None = None
        # The background's own notes.
        self.flight: Flight | None = None
        self.ticket = 0
        self.sparing: Flight | None = None
        self.spared_at = -inf

    @property
    def failing(self) -> bool:
        """Whether the last fetch failed."""
        return self._failures > 0

    @property
    def last_error(self) -> Exception | None:
        """Why it did."""
        return self._last_error

    def refresh(self) -> Flight:
        """Starts a fetch, or joins the one under way."""
        return self._background.refresh(self)

    def settle(self, needed: Callable[[], bool]) -> Flight | None:
        """For a request that cannot be answered without the document: the fetch to wait for, if it is still needed.

        After a failure there is none: the retries belong to the background, and an outage must not slow every request.
        """
        return self._background.settle(self, needed)

    def settle_sparingly(self, needed: Callable[[], bool], interval: float) -> Flight | None:
        """As `settle`, for what a stranger can provoke: one fetch in the interval, which all then wait for."""
        return self._background.settle_sparingly(self, needed, interval)

    def attempt(self) -> float | None:
        try:
            seconds = self._load()
        except Exception as error:
            seconds = min(LONGEST_RETRY_SECONDS, 1 << min(self._failures, 5))
            self._failures += 1
            self._last_error = error
            if not self._background.closed:
                self._on_failure(error)
            return seconds
        self._failures = 0
        self._last_error = None
        return seconds
