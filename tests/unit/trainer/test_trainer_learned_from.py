"""What a refit learns from: lines of a training set and corrections show up in the model's data hash."""

from pathlib import Path

import orjson
import pytest

from services.trainer import dataset, pipeline
from services.trainer.caps import Caps
from services.trainer.harvest import SOURCE, Found, hear, training_lines
from services.trainer.labels import Correction
from services.trainer.merge import Merging
from services.trainer.runs import Job, Result, Sources
from services.trainer.sets.fingerprints import ALL, data_hashes
from shared import model
from shared.artifacts import ArtifactStore
from shared.vocabulary import Verdict
from tests.unit.trainer.spoken import at


@pytest.fixture(autouse=True)
def without_our_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave our own sentences out: expanding them takes seconds."""
    monkeypatch.setattr(dataset, "own_rows", list)


def said(name: str, minute: float = 0, **facts: object) -> Correction:
    given = {"text": f"some words of {name}", "expected": ("insult",), "reviewer": "anna", **facts}
    return Correction(name, Verdict.INCORRECT, at(minute), **given)  # type: ignore[arg-type]


def refitted(folder: Path, *corrections: Correction, **sources: object) -> Result:
    job = Job("hashed", 0, 3.0, 0.01, str(folder), None, corrections, str(folder / "run"), sources=Sources(**sources))  # type: ignore[arg-type]
    return pipeline.work(job, lambda _: None)


def training_set(path: Path, *texts: str) -> str:
    """Write what `ombud harvest` and `ombud merge` make of a correction of each text."""
    found, merging = Found(), Merging([])
    for number, text in enumerate(texts, 1):
        hear(found, number, {"text": text, "feedback_type": "false_positive", "actual_categories": ["insult"]}, None)
    account = merging.account(path.name, "lines")
    for number, line in enumerate(training_lines(found.said, harvested_at="2026-03-01T00:00:00+00:00", run_id="r"), 1):
        merging.take(account, number, line)
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in merging.lines()))
    return str(path)


def test_a_training_line_goes_through_the_trainer_and_shows_up_in_the_models_data_hash(tmp_path: Path) -> None:
    one = training_set(tmp_path / "one.jsonl", "what a fine tram")
    two = training_set(tmp_path / "two.jsonl", "what a fine tram", "what a late tram")
    tables = [dataset.base([Path(each)] if each else []) for each in ("", one, two)]
    hashes = [data_hashes(table) for table in tables]
    assert len({each[ALL] for each in hashes}) == 3
    assert [SOURCE in each for each in hashes] == [False, True, True]
    result = refitted(tmp_path, training_sets=(two,))
    assert (result.data_hash, result.examples) == (hashes[2][ALL], int((tables[2]["split"] == "train").sum()))
    assert model.load(ArtifactStore(tmp_path).get(result.artifact)).facts["data_hash"] == result.data_hash


def test_who_is_over_a_cap_waits_and_a_held_out_text_teaches_nothing(tmp_path: Path) -> None:
    held = tmp_path / "held.jsonl"
    held.write_bytes(orjson.dumps({"text": "Some words of c3!"}))
    corrections = tuple(said(f"c{n}", n) for n in range(5))
    caps = Caps(person_day=2, community_day=100, share=1.0, free=1)
    job = Job("hashed", 0, 3.0, 0.01, "", None, corrections, sources=Sources((), (str(held),), None, caps))
    found = pipeline._material(job, corrections)
    assert [each.correction_id for each in found.taught] == ["c0", "c1"]
    assert found.left_out == {"person_day": 2, "held_out": 1}
    assert sorted(found.silent) == ["c2", "c3", "c4"]
    everybody = pipeline._material(Job("hashed", 0, 3.0, 0.01, "", None, corrections), corrections)
    assert len(everybody.taught) == 5
    assert found.hashes[ALL] != everybody.hashes[ALL]


def test_a_correction_that_was_taken_back_teaches_nothing_and_shows_up_nowhere(tmp_path: Path) -> None:
    told = (said("a"), said("b", 1))
    undone = (*told, said("undo", 2, retracts="b", text=None))
    alone, after = (
        pipeline._material(Job("hashed", 0, 3.0, 0.01, "", None, each), each) for each in ((told[0],), undone)
    )
    assert after.hashes == alone.hashes
    assert [each.correction_id for each in after.taught] == ["a"]
