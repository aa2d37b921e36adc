"""Whether this process still does its work: the watchdog that mends, and the facts behind /livez and /readyz."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from faststream.redis import RedisBroker

from shared.bus.metrics import LOST, RESTARTS, GroupState
from shared.clock import monotonic
from shared.streams import name_of

log = structlog.get_logger("ombud.bus")


class Health:
    """What loops, subscribers and handlers report about themselves. One per process."""

    def __init__(self, stalled_after_s: float) -> None:
        self._stalled_after_s = stalled_after_s
        self._ticks: dict[str, tuple[float, float]] = {}
        self._progress: dict[tuple[str, str], float] = {}
        self._waiting: dict[str, float] = {}
        self._stopped: set[str] = set()

    def ticked(self, loop: str, stuck_after_s: float) -> None:
        """Note that a loop begins or ends a round; one that says nothing for `stuck_after_s` counts as dead."""
        self._ticks[loop] = (monotonic(), stuck_after_s)

    def committed(self, stream: str, group: str) -> None:
        """Note that a group settled a batch."""
        self._progress[stream, group] = monotonic()

    def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Note that others see to these streams of these groups now."""
        for pair in pairs:
            self._progress.pop(pair, None)

    def waiting(self, what: str) -> None:
        """Note that a handler waits for something that is down; that is no reason to restart us."""
        self._waiting.setdefault(what, monotonic())

    def resumed(self, what: str) -> None:
        """Note that the wait is over."""
        self._waiting.pop(what, None)

    def stopped(self, names: Iterable[str]) -> None:
        """Note which subscribers do not run."""
        self._stopped = set(names)

    def saw(self, states: Iterable[GroupState]) -> None:
        """Note how the groups stand: a group without lag counts as making progress."""
        now = monotonic()
        for state in states:
            if state.lag == 0 or (state.stream, state.group) not in self._progress:
                self._progress[state.stream, state.group] = now

    def not_ready(self) -> list[str]:
        """Return why work stands still for the moment."""
        return [f"{what} waits for a dependency" for what in sorted(self._waiting)]

    def not_alive(self) -> list[str]:
        """Return why only a restart would help; empty means alive."""
        now = monotonic()
        reasons = [f"subscriber {name} does not run" for name in sorted(self._stopped)]
        reasons += [
            f"loop {loop} stands still" for loop, (at, stuck_after_s) in self._ticks.items() if now - at > stuck_after_s
        ]
        if not self._waiting:
            reasons += [
                f"{group} makes no progress on {stream}"
                for (stream, group), at in self._progress.items()
                if now - at > self._stalled_after_s
            ]
        return reasons


class Watchdog:
    """Starts subscribers again that stopped because their stream or group vanished."""

    def __init__(
        self,
        broker: RedisBroker,
        health: Health,
        ensure: Callable[[], Awaitable[list[tuple[str, str]]]],
        reads: Callable[[str, str], bool] = lambda _key, _group: True,
    ) -> None:
        self._broker = broker
        self._health = health
        self._ensure = ensure
        self._reads = reads

    async def __call__(self) -> None:
        """Look once at every subscriber of what we read; make missing groups and start what stands still."""
        known: list[Any] = list(self._broker.subscribers)
        stopped = [each for each in known if not each.running and self._reads(_key(each), str(each.stream_sub.group))]
        self._health.stopped(each.stream_sub.name for each in stopped)
        if not stopped:
            return
        for stream, group in await self._ensure():
            LOST.labels(name_of(stream.split(":")[0]), group).inc()
            log.error("a consumer group vanished; what it had not handled is lost", stream=stream, group=group)
        for each in stopped:
            await each.start()
            RESTARTS.labels(name_of(_key(each)), each.stream_sub.group).inc()
            log.warning("subscriber started again", stream=each.stream_sub.name, group=each.stream_sub.group)
        self._health.stopped(())


def _key(subscriber: Any) -> str:
    return str(subscriber.stream_sub.name.split(":")[0])
