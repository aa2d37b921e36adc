"""The model in force: swapped by one assignment, and never by what is not a model of ours."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.classifier.live_model import LiveModel
from shared.artifacts import ArtifactStore, BadArtifact
from shared.errors import Unavailable
from shared.model import dump
from tests.support.small_model import small_model


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    """An empty store."""
    return ArtifactStore(tmp_path)


async def test_before_the_first_promotion_scoring_waits(artifacts: ArtifactStore) -> None:
    live = LiveModel(artifacts)
    assert live.version is None
    with pytest.raises(Unavailable):
        live.get()


async def test_a_batch_under_way_ends_with_the_model_it_began_with(artifacts: ArtifactStore) -> None:
    live = LiveModel(artifacts)
    await live.swap("ombud-scorer", "test-1", artifacts.put(dump(small_model(n=1))))
    begun = live.get()
    await live.swap("ombud-scorer", "test-2", artifacts.put(dump(small_model(n=2))))
    assert (begun.version, live.get().version) == ("test-1", "test-2")
    scores = await asyncio.gather(begun.score(["nonsense"]), live.get().score(["nonsense"]))
    assert scores[0].shape == scores[1].shape == (1, 12)


async def test_the_metric_names_the_version_in_force_and_no_other(artifacts: ArtifactStore) -> None:
    live = LiveModel(artifacts)
    artifact = artifacts.put(dump(small_model()))
    for version in ("test-3", "test-4"):
        await live.swap("ombud-scorer", version, artifact)

    def shown(version: str) -> float | None:
        return REGISTRY.get_sample_value("ombud_classifier_live_model_info", {"version": version})

    assert (shown("test-3"), shown("test-4")) == (None, 1.0)


async def test_an_artifact_that_is_missing_or_no_model_leaves_the_old_one_in_force(artifacts: ArtifactStore) -> None:
    live = LiveModel(artifacts)
    await live.swap("ombud-scorer", "test-5", artifacts.put(dump(small_model())))
    with pytest.raises(FileNotFoundError):
        await live.swap("ombud-scorer", "test-6", "0" * 64)
    with pytest.raises(BadArtifact):
        await live.swap("ombud-scorer", "test-6", artifacts.put(b"no model"))
    with pytest.raises(BadArtifact):
        await live.check(artifacts.put(b"no model"))
    assert live.version == "test-5"
