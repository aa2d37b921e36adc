"""What MLflow is told, with MLflow itself: a model with everything known about it, and aliases that follow its life."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from services.trainer.card import trained_card
from services.trainer.describing import ALL, described
from services.trainer.hyper import HYPER
from services.trainer.lifecycle import Layer, Terms
from services.trainer.recording import recorded
from services.trainer.registering import OFF, SQLITE, Registering
from services.trainer.registry import REGISTERED, TRUSTED
from services.trainer.runs import Result, RunKind, Trigger
from services.trainer.sets.fingerprints import data_hashes
from services.trainer.shipping import made
from services.trainer.store import Store
from services.trainer.tables import aliases, model_facts
from shared.artifacts import ArtifactStore
from shared.clock import utcnow
from shared.model import Model, dump, load
from shared.vocabulary import CATEGORIES
from tests.support.learnt import small_table

TABLE = small_table(1500)
HASHES = data_hashes(TABLE)
METRICS = {"macro": {"auc": 0.8}, "categories": {"insult": {"auc": 0.9}}}


def model_of(seed: int) -> Model:
    table = small_table(seed=seed)
    return made(table[table["split"] == "train"], table[table["split"] == "dev"], HYPER, {"data_hash": "0"})


MODEL = model_of(0)


# -- what is said of a model ----------------------------------------------------------------------------------


def facts_of(model: Model = MODEL, table: pd.DataFrame = TABLE) -> dict[str, Any]:
    bytes_of = {"artifact": "a" * 64, "artifact_bytes": 1_000_000, "train_s": 2.0, "texts_per_s": 1e4}
    versions = dict.fromkeys(("ombud", "numpy", "scikit-learn", "numba"), "1")
    return described(model, "hashed", HYPER, table, data_hashes(table), made=bytes_of | versions)


def test_a_description_holds_every_figure_by_category_and_language_and_no_text() -> None:
    facts = facts_of()
    assert set(facts["figures"]) == {"toxic", "insult", "threat"}
    for rows in facts["figures"].values():
        assert set(rows) == {ALL, "en"}
        assert {"n", "positives", "auc", "ap", "f1", "balanced", "ece", "threshold"} == set(rows[ALL])
    assert {each["source"] for each in facts["inputs"]} == {ALL, "edos", "mlma:nl", "own_patterns"}
    whole = facts["inputs"][0]
    assert (whole["train"] + whole["dev"], len(whole["hash"])) == (len(TABLE), 64)
    assert facts["metrics"]["auc_all_insult"] == facts["figures"]["insult"][ALL]["auc"]
    assert facts["metrics"]["identity_gap"] == facts["groups"]["difference"]
    assert facts["masked"]["sexism"] == len(TABLE)
    said = orjson.dumps(facts, option=orjson.OPT_SERIALIZE_NUMPY).decode() + trained_card(facts)
    assert not any(text in said for text in TABLE["text"])


def test_a_category_counts_in_the_macro_only_with_fifty_positives() -> None:
    dev = TABLE["split"] == "dev"
    for category, counted in ((None, 3), ("insult", 2)):
        table = TABLE.copy()
        if category is not None:
            table.loc[dev & (table[category] == 1) & (table.index % 2 == 0), category] = float("nan")
        metrics = facts_of(table=table)["metrics"]
        assert f"macro_ap_{counted}" in metrics


def test_a_card_says_what_it_learned_from_how_good_it_is_and_where_it_is_weak() -> None:
    card = trained_card(facts_of())
    for part in ("`edos`", "| insult | en |", "## Weak spots", "**Dutch.**", "What was masked", "a" * 64):
        assert part in card


# -- MLflow ---------------------------------------------------------------------------------------------------


class World:
    """A store, artifacts and the loop that tells MLflow about them."""

    def __init__(self, store: Store, folder: Path, place: str = SQLITE) -> None:
        self.store = store
        self.folder = folder
        self.artifacts = ArtifactStore(folder / "artifacts")
        self.tell = Registering(store, place, folder, folder / "artifacts")

    async def trained(self, seed: int = 0, terms: Terms | None = None) -> str:
        """Return the version of a model that a run made, described as runs do it."""
        model = MODEL if seed == 0 else model_of(seed)
        artifact = self.artifacts.put(dump(model))
        facts, left = recorded(
            self.artifacts,
            artifact,
            model,
            "hashed",
            HYPER,
            TABLE,
            HASHES,
            train_s=1.5,
            params={},
            epochs=[{"ap": 0.5}],
        )
        run_id, _ = await self.store.queue_run(Trigger.COMMAND, "hashed", utcnow())
        claim = await self.store.claim(run_id, "me", utcnow())
        assert claim is not None
        result = Result(
            "scorer", artifact, "d" * 64, 10, 0, 3, METRICS, None, True, ("it is better",), (), facts=facts, left=left
        )
        before = await self.store.champion()
        version = await self.store.finish(claim, result, before, utcnow(), terms)
        assert version is not None
        return version

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        uri = f"sqlite:///{self.folder / 'mlflow' / 'mlflow.db'}"
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def alias(self, name: str) -> str | None:
        """Return the version of ours that an alias of MLflow's belongs to."""
        found = {each.version: each.tags["ombud.version"] for each in self.client.search_model_versions()}
        number = self.client.get_registered_model(REGISTERED).aliases.get(name)
        return None if number is None else found[int(number)] if int(number) in found else found[str(number)]


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:.*noload.*")
async def test_a_model_and_its_life_arrive_in_mlflow(world: World, rows: Any) -> None:
    first = await world.trained()
    await world.tell()
    stored = (await rows(model_facts))[0]
    assert stored.logged_at is not None

    # what was logged
    run = world.client.get_run(stored.run)
    assert world.client.get_experiment(run.info.experiment_id).name == "ombud-hashed"
    assert run.info.status == "FINISHED"
    assert run.data.params["rate"] == "0.3"
    assert run.data.metrics["auc_all_insult"] == pytest.approx(stored.facts["metrics"]["auc_all_insult"])
    assert run.data.metrics["epoch_ap"] == 0.5
    assert run.data.tags["ombud.version"] == first
    assert (run.data.tags["gate_reasons"], len(run.data.tags["code"])) == ("it is better", 64)
    digests = {each.dataset.name: each.dataset.digest for each in run.inputs.dataset_inputs}
    assert digests == {each["source"]: each["hash"][:36] for each in stored.facts["inputs"]}
    names = {each.path for each in world.client.list_artifacts(stored.run)}
    assert names == {"model.npz", "facts.json", "CARD.md", "pipeline"}

    # a second model waits for a person: it is the challenger
    second = await world.trained(1, Terms("hand"))
    await world.tell()
    assert (world.alias("champion"), world.alias("challenger")) == (first, second)
    # it is promoted, and then rolled back
    assert await world.store.put_in_force(second, Layer.REFIT, ["better"], utcnow(), by="me", expected=first)
    await world.tell()
    assert (world.alias("champion"), world.alias("challenger")) == (second, None)
    assert await world.store.put_in_force(first, Layer.ROLLBACK, ["worse"], utcnow(), by="me", expected=second)
    await world.tell()
    assert (world.alias("champion"), world.alias("challenger")) == (first, None)
    assert [row.registered for row in await rows(aliases)] == [None, first]
    assert len(world.client.search_model_versions()) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:.*Any type hint.*")
def test_the_pipeline_that_is_logged_says_what_the_model_says(tmp_path: Path) -> None:
    import skops.io

    from services.trainer.registry import save_pipeline

    again = load(dump(MODEL))
    save_pipeline(again, tmp_path / "pipeline", {"artifact": "x"})
    read = skops.io.load(tmp_path / "pipeline" / "model.skops", trusted=list(TRUSTED))
    texts = ["the bakers at the lake said fool", "the farmers said lovely", ""]
    said = read.predict(pd.DataFrame({"text": texts}))
    expected = again.score(texts)
    assert said[list(CATEGORIES)].to_numpy(float) == pytest.approx(expected, abs=1e-4, nan_ok=True)
    assert said["flagged"].tolist() == [True, False, False]


async def test_without_mlflow_our_tables_say_the_same(store: Store, tmp_path: Path, rows: Any) -> None:
    world = World(store, tmp_path, OFF)
    version = await world.trained()
    await world.tell()
    row = (await rows(model_facts))[0]
    assert (row.version, row.logged_at) == (version, None)
    assert row.facts["figures"]["insult"][ALL]["auc"] > 0.9
    assert world.artifacts.get(row.card).startswith(b"# Model card")
    assert {each.alias: each.version for each in await rows(aliases)} == {"champion": version, "challenger": None}
    assert not (tmp_path / "mlflow").exists()


async def test_a_server_that_is_away_is_asked_again_later_and_nothing_is_lost(store: Store, tmp_path: Path) -> None:
    world = World(store, tmp_path, "http://127.0.0.1:9")
    await world.trained()
    await world.tell()
    waiting = await store.wanted(utcnow())
    assert (len(waiting.models), waiting.aliases) == (1, {"champion": waiting.models[0].version})
    await world.tell()  # rests: it does not even ask


async def test_of_many_replays_only_the_one_that_lasts_becomes_a_version(store: Store, tmp_path: Path) -> None:
    world = World(store, tmp_path, OFF)
    first = await world.trained()
    champion = await store.champion()
    assert champion is not None
    replays = []
    for number in range(2):
        claimed, _ = await store.queue_run(Trigger.CORRECTIONS, "hashed", utcnow(), kind=RunKind.REPLAY)
        claim = await store.claim(claimed, "me", utcnow())
        result = Result("scorer", f"{number}" * 64, "d" * 64, 10, 1, 3, METRICS, None, True, ("quick",), ())
        replays.append(await store.finish(claim, result, await store.champion(), utcnow()))
    assert [row.version for row in (await store.wanted(utcnow() - timedelta(minutes=1))).models] == [first]
    assert [row.version for row in (await store.wanted(utcnow())).models] == [first, replays[1]]
