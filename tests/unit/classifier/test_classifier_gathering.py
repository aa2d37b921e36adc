"""Single texts that come together share a call of the model, and each gets the score of its own text."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from services.classifier.answering import Answering
from services.classifier.felt import Felt
from services.classifier.gathering import Gathering
from services.classifier.limits import Limits
from services.classifier.live_model import SLICE, SLICE_CHARACTERS, LiveModel, Loaded, slices
from services.classifier.override_store import OverrideStore
from services.classifier.settings import ClassifierSettings
from services.classifier.tables import metadata
from services.classifier.threshold_store import ThresholdStore
from shared.artifacts import ArtifactStore
from shared.db import Database
from shared.errors import Problem, Unavailable
from shared.model import dump
from shared.vocabulary import CATEGORIES
from tests.support.small_model import WORDS, small_model

TOXIC = CATEGORIES.index("toxic")


@pytest.fixture
async def live(tmp_path: Path) -> LiveModel:
    """A live model that knows three words."""
    artifacts = ArtifactStore(tmp_path)
    made = LiveModel(artifacts)
    await made.swap("ombud-scorer", "m-1", artifacts.put(dump(small_model())))
    return made


def settings(**changes: Any) -> ClassifierSettings:
    return ClassifierSettings().model_copy(update=changes)


def calls() -> tuple[float, float]:
    """Return how many calls there were and how many texts they held."""
    name = "ombud_classifier_call_texts"
    return REGISTRY.get_sample_value(f"{name}_count") or 0.0, REGISTRY.get_sample_value(f"{name}_sum") or 0.0


async def test_texts_that_come_together_share_a_call_and_each_gets_its_own_score(live: LiveModel) -> None:
    gathering, before = Gathering(live, settings()), calls()
    texts = [f"{WORDS['toxic'] if n % 3 == 0 else 'kind'} {n}" for n in range(20)]
    found = await asyncio.gather(*(gathering.one(text) for text in texts))
    assert [bool(scores[0, TOXIC] > 0.5) for _, scores in found] == [n % 3 == 0 for n in range(20)]
    after = calls()
    assert (after[0] - before[0], after[1] - before[1]) == (1, 20)


async def test_a_full_call_goes_at_once_and_none_is_larger(live: LiveModel) -> None:
    gathering, before = Gathering(live, settings(gather_texts=8, gather_ms=1000)), calls()
    waiting = [asyncio.create_task(gathering.one("kind")) for _ in range(16)]
    done, late = await asyncio.wait(waiting, timeout=0.5)
    assert (len(done), len(late), calls()[0] - before[0]) == (16, 0, 2)


async def test_long_texts_do_not_gather_past_what_may_hold_up_the_others(live: LiveModel) -> None:
    gathering, before = Gathering(live, settings()), calls()
    await asyncio.gather(*(gathering.one("kind " * (SLICE_CHARACTERS // 10)) for _ in range(4)))
    assert calls()[0] - before[0] == 2


async def test_one_text_after_the_other_is_scored_at_once_however_long_the_window(live: LiveModel) -> None:
    gathering, before = Gathering(live, settings(gather_ms=60_000)), calls()
    for n in range(1, 6):
        loaded, scores = await asyncio.wait_for(gathering.one(WORDS["toxic"]), 30)
        assert loaded.version == "m-1" and scores.shape == (1, len(CATEGORIES))
        assert calls()[0] - before[0] == n


async def test_what_follows_a_shared_call_within_the_window_gathers(live: LiveModel) -> None:
    gathering, before = Gathering(live, settings(gather_ms=400)), calls()
    await asyncio.wait_for(asyncio.gather(gathering.one(WORDS["toxic"]), gathering.one("kind")), 0.3)
    waiting = []
    for _ in range(3):
        waiting.append(asyncio.create_task(gathering.one("kind")))
        await asyncio.sleep(0.01)
    assert not any(each.done() for each in waiting)
    await asyncio.gather(*waiting)
    after = calls()
    assert (after[0] - before[0], after[1] - before[1]) == (2, 5)


async def test_who_leaves_takes_nobody_along(live: LiveModel) -> None:
    gathering = Gathering(live, settings(gather_ms=20))
    gone, stays = asyncio.create_task(gathering.one("a")), asyncio.create_task(gathering.one(WORDS["toxic"]))
    await asyncio.sleep(0)
    gone.cancel()
    _, scores = await stays
    assert scores[0, TOXIC] > 0.5
    await asyncio.gather(gone, return_exceptions=True)
    assert gathering._under_way == 0


class Slow(LiveModel):
    """A live model whose calls wait for a word, or fail."""

    def __init__(self, broken: bool = False) -> None:
        self.go = asyncio.Event()
        self.broken = broken

    def get(self) -> Any:
        return self

    async def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        await self.go.wait()
        if self.broken:
            raise ValueError("broken")
        return np.zeros((len(texts), len(CATEGORIES)))


async def test_past_the_limit_a_request_is_told_to_come_back_and_a_large_one_alone_is_let_in() -> None:
    slow = Slow()
    gathering = Gathering(slow, settings(waiting_texts=3))
    large = asyncio.create_task(gathering.many(["a"] * 10))
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await gathering.one("b")
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})
    slow.go.set()
    assert (await large)[1].shape == (10, len(CATEGORIES))
    await gathering.one("b")


async def test_a_call_that_fails_tells_everybody_in_it() -> None:
    slow = Slow(broken=True)
    slow.go.set()
    gathering = Gathering(slow, settings())
    found = await asyncio.gather(gathering.one("a"), gathering.one("b"), return_exceptions=True)
    assert [str(each) for each in found] == ["broken", "broken"]
    assert gathering._under_way == 0


async def test_without_a_model_nobody_waits(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await Gathering(LiveModel(ArtifactStore(tmp_path)), settings()).one("a")


async def test_every_door_judges_a_text_alike(live: LiveModel, tmp_path: Path) -> None:
    known = settings(flag_threshold=0.4)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/unasked", metadata)  # the doors know by memory
    limits = Limits(ThresholdStore(database), known)
    answering = Answering(live, Felt(OverrideStore(database), live, known), known, limits)
    one, many = await answering.one(WORDS["insult"]), await answering.many([WORDS["insult"]])
    assert one.scores == many.scores
    assert one.thresholds == dict.fromkeys(WORDS, 0.4) == answering.thresholds(live.get())
    long = await one.explain(f"{'kind ' * 1_000}{WORDS['toxic']}", ["toxic", "racism", "toxic"])
    assert set(long) == {"toxic"}


def test_slices_hold_every_text_once_and_no_more_than_may_hold_up_the_others() -> None:
    for texts in ([], ["a"], ["a"] * 1_000, ["a" * 20_000] * 7, ["a" * 60_000, "b", "c" * 60_000]):
        parts = list(slices(texts))
        assert [text for part in parts for text in part] == texts
        assert all(
            0 < len(part) <= SLICE and (len(part) == 1 or sum(map(len, part)) <= SLICE_CHARACTERS) for part in parts
        )


async def test_a_batch_scores_as_its_texts_do_alone(live: LiveModel) -> None:
    loaded: Loaded = live.get()
    texts = [f"{word} {n}" for n in range(200) for word in WORDS.values()]
    together = await loaded.score(texts)
    alone = np.vstack([loaded.model.score([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
