"""Single texts that come in at the same time share one call of the model.

What one round of the event loop brings shares a call. A window follows each call that was shared, and what comes within
it waits for its end: one text after the other is scored at once, and where many come together there is one call per
window or full call. Invariant: who asks gets the score of their own text by one model
version, or an error; nobody waits longer than a window for others, and no more texts are under way than allowed.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

from services.classifier.live_model import SLICE_CHARACTERS, LiveModel, Loaded
from services.classifier.settings import ClassifierSettings
from shared.errors import Problem

CALLS = Histogram(
    "ombud_classifier_call_texts",
    "Single texts that shared one call of the model.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
REFUSED = Counter("ombud_classifier_refused_requests", "Scoring requests refused, by reason.", ["reason"])

Waiting = tuple[str, asyncio.Future[tuple[Loaded, NDArray[np.float64]]]]


class Gathering:
    """Scores texts for the doors."""

    def __init__(self, live: LiveModel, settings: ClassifierSettings) -> None:
        self._live = live
        self._window_s = settings.gather_ms / 1000
        self._most = settings.gather_texts
        self._limit = settings.waiting_texts
        self._under_way = 0
        self._waiting: list[Waiting] = []
        self._characters = 0
        self._timer: asyncio.Handle | None = None
        self._next_at = float("-inf")
        self._calls: set[asyncio.Task[None]] = set()

    async def one(self, text: str) -> tuple[Loaded, NDArray[np.float64]]:
        """Return probabilities (1, 12) of a text and the model they are by.

        Raises Unavailable without a model and Problem 503 when too many texts wait.
        """
        self._live.get()
        loop = asyncio.get_running_loop()
        with self._place(1):
            if self._characters + len(text) > SLICE_CHARACTERS:
                self._call()
            answer: asyncio.Future[tuple[Loaded, NDArray[np.float64]]] = loop.create_future()
            self._waiting.append((text, answer))
            self._characters += len(text)
            if len(self._waiting) >= self._most:
                self._call()
            elif self._timer is None:  # what this very round of the loop brings shares the call in any case
                late = loop.time() >= self._next_at
                self._timer = loop.call_soon(self._call) if late else loop.call_at(self._next_at, self._call)
            return await answer

    async def many(self, texts: Sequence[str]) -> tuple[Loaded, NDArray[np.float64]]:
        """Return probabilities (texts, 12) of a request's own batch and the model they are by. Raises as `one`."""
        loaded = self._live.get()
        with self._place(len(texts)):
            return loaded, await loaded.score(texts)

    @contextmanager
    def _place(self, texts: int) -> Iterator[None]:
        if self._under_way and self._under_way + texts > self._limit:
            REFUSED.labels("busy").inc()
            raise Problem(503, "busy", "Too many texts wait to be scored.", headers={"Retry-After": "1"})
        self._under_way += texts
        try:
            yield
        finally:
            self._under_way -= texts

    def _call(self) -> None:
        """Let what waits go, in a task that the requests do not own: one that is cancelled takes no other along."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._waiting, self._characters = self._waiting, [], 0
        if gathered:
            if len(gathered) > 1:  # who comes alone has nobody to wait for
                self._next_at = asyncio.get_running_loop().time() + self._window_s
            task = asyncio.create_task(self._score(gathered))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _score(self, gathered: Sequence[Waiting]) -> None:
        CALLS.observe(len(gathered))
        try:
            loaded = self._live.get()
            scores = await loaded.score([text for text, _ in gathered])
        except Exception as error:
            for _, answer in gathered:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for at, (_, answer) in enumerate(gathered):
                if not answer.done():
                    answer.set_result((loaded, scores[at : at + 1]))
