"""The model that ships is what its card says: the same bytes, the same data, no larger than promised."""

from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest

from services.trainer.card import SOURCES, card
from services.trainer.hyper import HYPER, UNTRAINED
from services.trainer.sets.fingerprints import data_hashes
from services.trainer.sets.mix import load_mix
from services.trainer.shipping import made
from shared.ids import digest
from shared.model import dump, load, shipped
from shared.vocabulary import CATEGORIES
from tests.support.data import data_folder
from tests.support.ombud import ROOT

FOLDER = ROOT / "shared" / "model"
LARGEST = 6_000_000


@cache
def facts() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((FOLDER / "facts.json").read_bytes())
    return found


def test_the_artifact_is_the_one_the_card_speaks_of_and_no_larger_than_promised() -> None:
    assert len(shipped()) <= LARGEST
    assert digest(shipped()) == facts()["artifact"]
    assert (FOLDER / "CARD.md").read_text("utf-8") == card(facts())


def test_it_knows_every_category_but_the_one_nobody_can_answer_for() -> None:
    model = load(shipped())
    assert model.categories == tuple(each for each in CATEGORIES if each not in UNTRAINED)
    assert all(0.05 <= limit <= 0.95 for limit in model.thresholds.values())
    assert model.facts["data_hash"] == facts()["data_hash"]


def test_the_card_names_every_set() -> None:
    assert list(facts()["sources"]) == list(SOURCES)
    assert {row["source"] for row in facts()["left_out"]} <= set(SOURCES)


def test_it_keeps_the_promises_of_the_first_release() -> None:
    macro, checks = facts()["macro"], facts()["checks"]
    assert macro["auc"] >= 0.90
    assert macro["ece"] <= 0.03
    title = "bias_madlibs `name_adj`, toxic at its threshold"
    assert checks[f"{title}: largest less smallest false-positive rate"] <= 0.15
    assert checks[f"{title}: recall of insults"] >= 0.5
    assert next(value for name, value in checks.items() if "character F1" in name) >= 0.58


def test_the_data_folder_makes_it_again() -> None:
    if not data_folder().is_dir():
        pytest.skip("no data folder beside the project: the shipped model is not made again")
    table = load_mix(data_folder(), "wide", own_weight=HYPER.own_weight)
    hashes = data_hashes(table)
    assert hashes["all"] == facts()["data_hash"], "our sentences or their mapping changed: run `make model DATA=...`"
    train, dev = table[table["split"] == "train"], table[table["split"] == "dev"]
    again = made(train, dev, HYPER, {"data_hash": hashes["all"], "mix": "wide", "examples": len(train)})
    if digest(dump(again)) != facts()["artifact"]:  # another kind of processor adds up in another order
        texts = dev["text"].tolist()[::10]
        np.testing.assert_allclose(again.score(texts), load(shipped()).score(texts), atol=1e-3)
