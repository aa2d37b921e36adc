"""Recipes on the same rows, and what a refit begins with."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from services.trainer.hyper import HYPER, Hyper, hyper_of, params, row_weights, taken
from services.trainer.learning import Learned, Pace
from services.trainer.recipes import fit
from services.trainer.refitting import CORRECTION, refit
from services.trainer.runs import RecipeName
from services.trainer.shipping import made
from shared.model import Model, dump, load, shipped
from shared.vocabulary import CATEGORIES
from tests.support.learnt import small_table

RECIPES: tuple[RecipeName, ...] = ("hashed", "sgd", "logistic")
TABLE = small_table()
FACTS = {"data_hash": "0"}


def sides(table: pd.DataFrame = TABLE) -> tuple[pd.DataFrame, pd.DataFrame]:
    return table[table["split"] == "train"], table[table["split"] == "dev"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_rows_and_seed_give_the_same_bytes(recipe: RecipeName) -> None:
    one, two = (dump(made(*sides(), HYPER, FACTS, recipe)) for _ in range(2))
    assert one == two
    assert load(one).facts["recipe"] == recipe


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_tells_the_categories_apart_that_have_rows_and_leaves_the_others_unknown(
    recipe: RecipeName,
) -> None:
    train, dev = sides()
    model = made(train, dev, HYPER, FACTS, recipe)
    assert set(model.categories) == {"toxic", "insult", "threat"}
    scores = model.score(dev["text"].tolist())
    for category in ("insult", "threat"):
        known = dev[category].notna().to_numpy()
        truth = dev[category].to_numpy(float)[known] == 1
        assert ((scores[known, CATEGORIES.index(category)] >= model.thresholds[category]) == truth).mean() > 0.95


@pytest.mark.parametrize("recipe", ["sgd", "logistic"])
def test_a_head_learns_nothing_from_rows_that_say_nothing_about_its_category(recipe: RecipeName) -> None:
    train, dev = sides()
    silent = train.assign(key="x", text="completely other words", **dict.fromkeys(CATEGORIES, np.nan))
    both = pd.concat([train, silent])
    alone, beside = (made(each, dev, HYPER, FACTS, recipe) for each in (train, both))
    assert np.array_equal(alone.weights, beside.weights)


def test_a_row_of_more_weight_pulls_a_head_further() -> None:
    train, dev = sides()
    asked = train[train["insult"] == 1].iloc[:1]
    light, heavy = (train.copy() for _ in range(2))
    heavy.loc[asked.index, "weight_insult"] = 50.0
    text = asked["text"].tolist()
    for recipe in ("sgd", "logistic"):
        less, more = (made(each, dev, HYPER, FACTS, recipe).logits(text) for each in (light, heavy))
        at = made(train, dev, HYPER, FACTS, recipe).categories.index("insult")
        assert more[0, at] > less[0, at]


def test_kinds_of_rows_weigh_what_the_hyper_parameters_say() -> None:
    train, _ = sides()
    hyper = Hyper(own_weight=4.0, tweet_weight=0.25, weak_weight=1.0)
    told = train[[f"weight_{name}" for name in CATEGORIES]].to_numpy(float)
    factor = row_weights(train, hyper) / np.where(told == 0, 1, np.where(told == 0.5, 1.0, told))
    for source, expected in (("own_patterns", 4.0), ("mlma:nl", 0.25), ("edos", 1.0)):
        mine = (train["source"] == source).to_numpy()
        assert set(factor[mine][told[mine] > 0]) == {expected}
    assert (row_weights(train, hyper)[told == 0] == 0).all()


def test_without_dutch_copies_no_row_of_them_teaches() -> None:
    train, _ = sides()
    left = taken(train, replace(HYPER, dutch_copies=False))
    assert set(left["source"]) == {"edos", "own_patterns"}
    assert len(taken(train, HYPER)) == len(train)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_logged_of_the_hyper_parameters_gives_them_back(recipe: RecipeName) -> None:
    hyper = Hyper(Pace(4, 0.5, 3e-6, 7), 2.0, 0.5, 0.75, False)
    found = hyper_of(params(recipe, hyper))
    assert params(recipe, found) == params(recipe, hyper)


def test_whoever_watches_sees_every_epoch_and_changes_nothing() -> None:
    seen: list[float] = []
    train, _ = sides()
    plain = fit("hashed", train, facts={})

    def watch(epoch: int, now: Learned) -> None:
        seen.append(epoch + float(np.abs(now.table).sum()))

    watched = fit("hashed", train, facts={}, watch=watch)
    assert len(seen) == HYPER.pace.epochs
    assert seen == sorted(seen)
    assert np.array_equal(plain.weights, watched.weights)


# -- what a refit begins with ---------------------------------------------------------------------------------


def corrected(count: int = 3) -> pd.DataFrame:
    rows = TABLE[TABLE["split"] == "train"].head(count).copy()
    rows["source"], rows["text"] = CORRECTION, [f"the quiet teapot {at} whistles" for at in range(count)]
    rows[list(CATEGORIES)] = np.nan
    rows["insult"], rows["weight_insult"] = 1.0, 3.0
    return rows


@pytest.fixture(scope="module")
def start() -> Model:
    return load(shipped())


def again(table: pd.DataFrame, start: Model, **how: object) -> Model:
    given = {"shipped": start, "training_sets": False, "hyper": HYPER, "facts": FACTS} | how
    return refit("hashed", table, **given)  # type: ignore[arg-type]


def test_without_corrections_and_training_sets_a_refit_gives_the_shipped_model_back(start: Model) -> None:
    assert again(TABLE, start) is start


def test_corrections_go_on_from_the_shipped_model_and_what_was_taken_back_is_gone(start: Model) -> None:
    at = CATEGORIES.index("insult")
    texts = corrected()["text"].tolist()
    taught = again(pd.concat([TABLE, corrected()], ignore_index=True), start)
    assert (taught.score(texts)[:, at] > start.score(texts)[:, at]).all()
    assert len(taught.categories) == len(start.categories)
    # the same refit after all of them were taken back
    assert again(TABLE, start) is start


def test_training_sets_make_a_model_from_nothing(start: Model) -> None:
    fresh = again(TABLE, start, training_sets=True)
    assert set(fresh.categories) == {"toxic", "insult", "threat"}
    assert np.array_equal(fresh.weights, made(*sides(), HYPER, FACTS).weights)


def test_a_category_nobody_can_judge_keeps_its_logits_and_the_threshold_of_one_half() -> None:
    train, dev = sides()
    model = made(train, dev.assign(threat=np.nan), HYPER, FACTS)
    at = model.categories.index("threat")
    assert model.calibration[at].tolist() == [1.0, 0.0]
    assert model.thresholds["threat"] == 0.5
