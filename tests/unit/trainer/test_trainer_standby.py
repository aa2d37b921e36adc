"""One replay in the worker that stands by: what it learns, what it repeats, what the guard lets through."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from services.trainer import standby
from services.trainer.gate.frozen import Frozen
from services.trainer.gate.metrics import judge
from services.trainer.labels import Correction, Lesson
from services.trainer.replaying import said_rows
from services.trainer.runs import ReplayJob, Sources
from services.trainer.standby import LEARNING, Prepared, divided, seed_of, work
from services.trainer.steps import REPLAY, Progress, StepStatus
from shared.artifacts import ArtifactStore
from shared.model import dump, load
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES, Verdict
from tests.support.small_model import small_model
from tests.unit.trainer.spoken import NOON

INSULT = CATEGORIES.index("insult")
TEAPOT = "you absolute teapot of a neighbour"


def said(name: str, text: str, minute: int = 0, **labels: int) -> Correction:
    expected = tuple(category for category, label in labels.items() if label)
    at = NOON + timedelta(minutes=minute)
    return Correction(name, Verdict.INCORRECT, at, text=text, expected=expected, spoke_about=tuple(labels))


def ready(texts: list[str], label: float) -> Prepared:
    """Judging rows that say nothing but whether their texts are insults, half of them the words of the small model."""
    model = small_model()
    labels = np.full((len(texts), len(CATEGORIES)), np.nan)
    labels[:, INSULT] = [1.0 if "fool" in text else label for text in texts]
    older = said_rows([Lesson("o", f"the weather of day {n}", {"insult": 0}) for n in range(50)], model.path)
    same = tuple("" for _ in texts)
    frozen = Frozen(tuple(map(key_of, texts)), tuple(texts), labels, tuple("en" for _ in texts), same, same, same, same)
    return Prepared(older, frozen, judge(model, frozen))


PLAIN = [f"you fool number {n}" for n in range(60)] + [f"a lovely morning number {n}" for n in range(60)]


def job(folder: Path, *waiting: Correction, **options: object) -> ReplayJob:
    store = ArtifactStore(folder)
    champion = store.put(dump(small_model(data_hash="0" * 64)))
    return ReplayJob(
        seed=0, tolerance=0.01, artifacts=str(folder), sources=Sources(), champion=champion, waiting=waiting, **options
    )  # type: ignore[arg-type]


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "prepared", lambda *_: ready(PLAIN, 0.0))


@pytest.mark.usefixtures("calm")
def test_what_waits_is_learned_stored_and_told(tmp_path: Path) -> None:
    heard: list[Progress] = []
    result = work(job(tmp_path, said("a", TEAPOT, insult=1)), heard.append)
    assert result.passed, result.reasons
    assert result.taught == ("a",)
    model = load(ArtifactStore(tmp_path).get(result.artifact))
    assert model.score([TEAPOT])[0, INSULT] > model.thresholds["insult"]
    assert model.facts["parent_data_hash"] == "0" * 64
    assert model.facts["data_hash"] == result.data_hash
    (effect,) = result.effects
    assert effect.before["insult"] < 0.5 < effect.after["insult"]
    assert [each.step for each in heard if each.status is StepStatus.DONE] == list(REPLAY[:2])
    assert TEAPOT not in repr(heard)


@pytest.mark.usefixtures("calm")
def test_what_says_nothing_new_was_looked_at(tmp_path: Path) -> None:
    waiting = said("old", TEAPOT, 0, insult=1), said("new", TEAPOT, 1, insult=1), said("empty", " ", 2, insult=1)
    result = work(job(tmp_path, *waiting), lambda _: None)
    assert result.taught == ("new",)
    assert result.looked_at == ("empty", "old")


@pytest.mark.usefixtures("calm")
def test_the_same_corrections_on_the_same_model_give_the_same_artifact(tmp_path: Path) -> None:
    one, two = (work(job(tmp_path, said("a", TEAPOT, insult=1)), lambda _: None) for _ in range(2))
    assert one.artifact == two.artifact


def test_what_costs_too_much_elsewhere_goes_a_part_of_the_way_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # people say of every second morning that it is an insult: the rows that judge say it is none
    mornings = [f"a lovely morning number {n}" for n in range(120)]
    rows = ready([*PLAIN[:60], *mornings[60:], *(f"calm evening number {n}" for n in range(60))], 0.0)
    rows.frozen.labels[120:, INSULT] = 1.0
    monkeypatch.setattr(standby, "prepared", lambda *_: rows)
    poison = [said(f"p{n}", f"a lovely morning number {n} in town", n, insult=1) for n in range(120)]
    heard: list[Progress] = []
    result = work(job(tmp_path, *poison), heard.append)
    assert not result.passed
    for part in ("half", "a quarter", "an eighth"):
        assert any(reason.startswith(f"{part} of the step") for reason in result.reasons)
    assert [each.line for each in heard if each.line and each.step == LEARNING] == ["120 corrections, 0 learned before"]


def test_the_later_word_counts_and_an_earlier_one_keeps_what_it_alone_said(tmp_path: Path) -> None:
    wanted = job(
        tmp_path,
        said("later", TEAPOT, 5, insult=0),
        learned=(said("earlier", TEAPOT.upper(), 0, insult=1, toxic=1), said("gone", TEAPOT, 1, insult=1)),
    )
    taught, before = divided(wanted)
    assert [(each.correction_id, each.labels) for each in taught] == [("later", {"insult": 0})]
    assert [(each.correction_id, each.labels) for each in before] == [("earlier", {"toxic": 1})]


def test_a_corrected_text_judges_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "prepared", lambda *_: ready(PLAIN, 0.0))
    result = work(job(tmp_path, said("a", PLAIN[0].upper(), insult=1)), lambda _: None)
    assert result.held_out == len(PLAIN) - 1


def test_each_replay_draws_anew() -> None:
    assert seed_of("00000001" + "0" * 56, 0) == 1
    assert seed_of("00000001" + "0" * 56, 3) == 2
