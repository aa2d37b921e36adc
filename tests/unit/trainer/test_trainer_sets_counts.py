"""The real sets give the numbers of labels that the data folder's README and the learning page state.

Needs the data sets beside the repository, or in OMBUD_TEST_DATA; skipped loudly without them.
"""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from services.trainer.sets import files
from services.trainer.sets import mix as mixing
from services.trainer.sets.folder import MIXES, MixName, kept_for_spans
from services.trainer.sets.mix import load_mix
from shared.vocabulary import CATEGORIES
from tests.support.data import data_folder, real
from tests.support.sentences import sentences

AS_MAPPED: dict[MixName, dict[str, tuple[int, int]]] = {
    "base": {
        "toxic": (19_324, 3_308),
        "threat": (675, 3_529),
        "hate_speech": (5_437, 2_725),
        "racism": (1_302 - 4, 6_385 - 43),
        "antisemitism": (140, 4_806),
        "islamophobia": (353, 4_607),
        "sexism": (4_345, 19_189),
        "homophobia": (612, 7_128),
        "insult": (10_959, 0),
        "dehumanization": (417, 2_455),
        "extremism": (0, 0),
        "ableism": (184, 7_363),
    },
    "wide": {
        "toxic": (65_378, 15_944),
        "threat": (1_343, 3_529),
        "hate_speech": (22_802, 53_631 - 19_181 - 5_802),
        "racism": (11_066 - 4, 16_745 - 43),
        "antisemitism": (2_157, 17_693),
        "islamophobia": (2_642, 17_402),
        "sexism": (5_811, 32_692),
        "homophobia": (2_081, 20_504),
        "insult": (12_074, 0),
        "dehumanization": (1_331, 2_455),
        "extremism": (2_785, 0),
        "ableism": (1_233, 21_615),
    },
}
"""Labels 1 and 0 by the README's table 3, less what is unknown on purpose: racism where hatemoji attacks `asy`, `hind`,
`sikh` or `wc`, and hate speech in posts that davidson and hatexplain call offensive."""

IN_WORDS = {"racism", "antisemitism", "islamophobia", "sexism", "homophobia", "ableism", "extremism"}
"""What implicit_hate says in its annotators' own words, which no table maps: nearly the same, not the same."""

TRAINED: dict[MixName, dict[str, tuple[int, int]]] = {
    "base": {
        "toxic": (15_175, 2_393),
        "threat": (563, 5_480),
        "hate_speech": (3_950, 1_647),
        "racism": (780, 4_355),
        "antisemitism": (87, 3_496),
        "islamophobia": (177, 3_324),
        "sexism": (3_676, 15_563),
        "homophobia": (413, 5_023),
        "insult": (8_094, 2_393),
        "dehumanization": (300, 2_111),
        "extremism": (0, 0),
        "ableism": (123, 5_228),
    },
    "wide": {
        "toxic": (56_259, 13_676),
        "threat": (1_168, 16_763),
        "hate_speech": (19_584, 24_935),
        "racism": (9_637, 13_694),
        "antisemitism": (1_907, 15_110),
        "islamophobia": (2_260, 14_847),
        "sexism": (4_987, 27_742),
        "homophobia": (1_712, 17_101),
        "insult": (9_106, 13_676),
        "dehumanization": (1_061, 2_111),
        "extremism": (2_500, 0),
        "ableism": (1_052, 18_081),
    },
}
"""Labels 1 and 0 of the training rows by the learning page; which key falls on which side is ours."""

TEXTS: dict[MixName, int] = {"base": 41_974, "wide": 113_951}
ROWS: dict[MixName, tuple[int, int]] = {"base": (30_427, 3_798), "wide": (94_805, 10_832)}
COPIES: dict[MixName, int] = {"base": 19_831, "wide": 52_612}


@pytest.fixture(scope="module", params=["base", "wide"])
def mix(request: pytest.FixtureRequest) -> MixName:
    name: MixName = request.param
    for each in MIXES[name]:
        real(each)
    return name


@pytest.fixture(scope="module")
def table(mix: MixName) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mixing, "own_rows", sentences)
        loaded = load_mix(data_folder(), mix)
    return loaded[~loaded["source"].str.startswith("own_")]


def test_every_set_gives_the_labels_its_mapping_promises(mix: MixName) -> None:
    found: Counter[tuple[str, int]] = Counter()
    texts = 0
    for load in MIXES[mix].values():
        for row in load(data_folder()):
            texts += 1
            found.update((category, mark.label) for category, mark in row.marks.items())
    assert texts == TEXTS[mix]
    for category, (ones, zeros) in AS_MAPPED[mix].items():
        loose = 0.02 if mix == "wide" and category in IN_WORDS else 0.0
        assert found[category, 0] == zeros, category
        assert found[category, 1] == pytest.approx(ones, rel=loose), category


def test_a_mix_trains_on_about_as_many_labels_as_the_learning_page_says(mix: MixName, table: pd.DataFrame) -> None:
    trained = table[(table["split"] == "train") & (table["language"] == "en")]
    for category in CATEGORIES:
        found = tuple(int((trained[category] == label).sum()) for label in (1, 0))
        assert found == pytest.approx(TRAINED[mix][category], rel=0.08, abs=10), category


def test_a_mix_has_about_as_many_rows_and_copies_as_the_learning_page_says(mix: MixName, table: pd.DataFrame) -> None:
    theirs = table[table["language"] == "en"]
    train, dev = ROWS[mix]
    assert len(theirs) == pytest.approx(train + dev, rel=0.001)
    assert (theirs["split"] == "train").sum() == pytest.approx(train, rel=0.01)
    assert (table["language"] == "nl").sum() == pytest.approx(COPIES[mix], rel=0.03)
    assert set(table.loc[table["language"] == "nl", "split"]) == {"train"}


def test_the_comments_that_judge_explanations_are_those_of_the_learning_page() -> None:
    folder: Path = real("toxic_spans").parent
    judged = {record["text"] for record in files.table(kept_for_spans(folder))}
    comments = files.table(folder / "toxic_spans" / "comments.csv.gz")
    assert sum(record["comment_text"] in judged for record in comments) == 2_005
