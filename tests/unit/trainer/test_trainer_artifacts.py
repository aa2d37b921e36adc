"""What is inside an artifact: the same for the same examples, and nothing anybody wrote."""

import io
import zipfile
from itertools import islice

from services.trainer.labels import Lesson
from services.trainer.recipes import fit
from shared.model import dump
from shared.sample import rows
from shared.vocabulary import CATEGORIES
from tests.support.examples import examples

WORD = "zwunderquast"


def artifact() -> bytes:
    lessons = [Lesson(f"c{n}", f"{WORD} number {n}", dict.fromkeys(CATEGORIES, 0)) for n in range(5)]
    table = examples(islice(rows("train"), 100), lessons, correction_weight=3)
    return dump(fit("hashed", table, facts={"examples": 1}))


def test_the_same_examples_give_the_same_bytes() -> None:
    assert artifact() == artifact()


def test_no_word_of_a_post_can_be_read_from_an_artifact() -> None:
    with zipfile.ZipFile(io.BytesIO(artifact())) as packed:
        for name in packed.namelist():
            assert WORD.encode() not in packed.read(name).lower(), name
