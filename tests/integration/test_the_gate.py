"""Real candidates before the gate: made from the shipped model with our own sentences, honestly and by attackers."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
import pytest

from services.trainer import replaying
from services.trainer.gate.decision import Decision, decide, guard
from services.trainer.gate.frozen import Frozen, freeze
from services.trainer.gate.metrics import judge
from services.trainer.own_rows import probes
from services.trainer.rows import with_implied
from services.trainer.sets.merging import merged
from services.trainer.sets.mix import WEIGHTS, table_of
from shared.model import Model, load, shipped
from shared.vocabulary import CATEGORIES
from tests.support.gate import PROOF
from tests.support.sentences import sentences

pytestmark = pytest.mark.slow

OLDER = 12_000
"""Taught sentences that go over again: enough for the largest batch here."""
AFTER, BEFORE = ("on the train", "at the market", "in our street", "last week", "for dinner"), ("I met", "There were")


@cache
def table() -> pd.DataFrame:
    """Return all that judges and some of what taught."""
    rows = sentences()
    taught = [row for row in rows if row.split == "train"]
    some = [*(row for row in rows if row.split == "dev"), *taught[:: len(taught) // OLDER]]
    return table_of(dict(merged(map(with_implied, some))))


@cache
def frozen() -> Frozen:
    return freeze(table(), probes())


@cache
def champion() -> Model:
    return load(shipped())


def taught(corrections: pd.DataFrame) -> Model:
    older = table()[table()["split"] == "train"]
    older = older.sample(min(len(older), replaying.REPLAYED * len(corrections)), random_state=0)
    corrected, beside = (replaying.rows_of(rows, champion().path) for rows in (corrections, older))
    return replaying.replay(champion(), corrected, beside, seed=0, facts={})


def gate(candidate: Model) -> Decision:
    anchor = judge(champion(), frozen())
    return decide(judge(candidate, frozen()), anchor, proof=PROOF, anchor=anchor)


def fast(candidate: Model) -> Decision:
    some = frozen().sample()
    return guard(judge(champion(), some), judge(candidate, some))


def said(texts: Sequence[str], **labels: int) -> pd.DataFrame:
    """Return corrections of texts that all say the same."""
    rows = pd.DataFrame({"text": texts, **dict.fromkeys(CATEGORIES, np.nan), **dict.fromkeys(WEIGHTS, 0.0)})
    for name, label in labels.items():
        rows[name], rows[f"weight_{name}"] = float(label), replaying.WEIGHT
    return rows


@pytest.mark.parametrize("category", ["sexism", "threat", "toxic"])
def test_flipped_labels_of_one_category_are_refused_with_its_name(category: str) -> None:
    known = table()[(table()["split"] == "train") & table()[category].notna()].sample(1000, random_state=1)
    rows = said(known["text"].tolist())
    rows[category], rows[f"weight_{category}"] = (1 - known[category]).to_numpy(), replaying.WEIGHT
    bad = taught(rows)
    for decision in (gate(bad), fast(bad)):
        assert not decision.passed
        assert any(f" {category} " in reason for reason in decision.reasons), decision.reasons


@pytest.mark.parametrize(("words", "group"), [("Muslims", "muslims"), ("old people", "old")])
def test_two_hundred_corrections_that_poison_an_identity_word_are_refused_with_the_group(
    words: str, group: str
) -> None:
    texts = [f"{before} {number} {words} {after}" for number in range(2, 22) for before in BEFORE for after in AFTER]
    assert len(texts) == 200
    poisoned = taught(said(texts, toxic=1, hate_speech=1))
    for decision in (gate(poisoned), fast(poisoned)):
        assert not decision.passed
        named = [reason for reason in decision.reasons if reason.startswith("identity.rise.hate_speech")]
        assert named and f"about {group} " in named[0], decision.reasons


def test_honest_corrections_pass() -> None:
    kind = said(["the tram was late again, as ever", "what a splendid catastrophe of a cake"], toxic=0, insult=0)
    rude = said(["you utter teapot, get lost", "nobody asked you, muppet"], toxic=1, insult=1)
    honest = taught(pd.concat([kind, rude], ignore_index=True))
    assert gate(honest).passed, gate(honest).reasons
    assert fast(honest).passed, fast(honest).reasons
