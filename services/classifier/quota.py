"""How many requests somebody may make: a bucket for each, filled by the clock. Pure; the caller brings the time."""

from collections import OrderedDict
from math import ceil

MOST = 10_000
"""Buckets kept; a fuller one than that many newer ones is full again long since."""


class Quota:
    """Lets `rate` requests per second through for each name, and at most a second's worth at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._size = max(1.0, rate)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str, now: float) -> int:
        """Take one request of `name` and return 0, or take none and return after how many whole seconds to come back.

        `now` is in seconds of a clock that never goes back.
        """
        left, since = self._buckets.pop(name, (self._size, now))
        left = min(self._size, left + (now - since) * self._rate)
        passes = left >= 1
        self._buckets[name] = (left - passes, now)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return 0 if passes else max(1, ceil((1 - left) / self._rate))
